// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

#include <chrono>
#include <memory>

namespace tessera::comm {

/// Initialises MPI (funneled threads) and finalises it. At most one per process. The library's communicators are
/// duplicates of the one that is handed to them.
class MpiSession {
 public:
  MpiSession();
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  /// A communicator over all ranks of the job. A peer that is silent for `watchdog` becomes an Error that names it.
  [[nodiscard]] std::unique_ptr<Communicator> world(std::chrono::seconds watchdog) const;

  /// Ends all ranks of the job at once with `exit_status`; for a rank that failed alone.
  [[noreturn]] static void abort(int exit_status);

  /// True when a launcher (mpirun, srun with PMIx or PMI) started this process.
  static bool started_by_launcher();
};

}  // namespace tessera::comm
