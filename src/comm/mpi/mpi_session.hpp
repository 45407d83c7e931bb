// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace tessera::comm {

/// What the environment says about the tasks that were started together.
struct Launch {
  std::string by;  ///< what started them; empty: nothing that is known
  int tasks = 1;
  int task = 0;  ///< number of this one
};

/// Initialises MPI (funneled threads) and finalises it. At most one per process. The library's communicators are
/// duplicates of the one that is handed to them. MPI waits for all ranks at its start and its end, without a limit of
/// its own: after `limit` this process says so and ends.
class MpiSession {
 public:
  explicit MpiSession(std::chrono::seconds limit = std::chrono::seconds(120));
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  /// A communicator over all ranks of the job. A peer that is silent for `watchdog` becomes an Error that names it.
  [[nodiscard]] std::unique_ptr<Communicator> world(std::chrono::seconds watchdog) const;

  /// Ends all ranks of the job at once with `exit_status`; for a rank that failed alone.
  [[noreturn]] static void abort(int exit_status);

  /// True when a launcher (mpirun, srun with PMIx or PMI) started this process.
  static bool started_by_launcher();
  /// To be asked before the session is made.
  static Launch launch();
  /// "Open MPI v4.1.4", "MPICH Version: 4.0.2".
  static std::string library();

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::seconds limit_;
  Launch launch_;
};

}  // namespace tessera::comm
