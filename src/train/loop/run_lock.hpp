// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/file_lock.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

namespace tessera::train {

/// Keeps a second training away from a run folder, which need not exist yet, and from the working copy beside it. Its
/// file lies beside the folder or, where nobody may write there, in it: who holds it, and a heartbeat. Decision 25.
class RunLock {
 public:
  struct Beat {
    std::chrono::milliseconds every{5000};
    std::chrono::milliseconds patience{20000};  ///< that long the same heartbeat means that nobody holds the lock
  };

  /// Waits for `patience` if the file of a holder on another host is there, and nothing else says whether he lives.
  /// Throws Error(kUsage) that names who holds it, Error(kBadData) when the file is none of Tessera, Error(kIo) when
  /// nothing can be written.
  explicit RunLock(const std::filesystem::path& run_folder, Beat beat);
  explicit RunLock(const std::filesystem::path& run_folder) : RunLock(run_folder, Beat{}) {}
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// Throws Error(kIo) when another process has taken the lock: this one was still for too long.
  void require_held() const;

 private:
  void write_beat();
  void go_on_beating();

  std::filesystem::path run_folder_;
  std::filesystem::path path_;
  Beat beat_;
  storage::FileLock lock_;
  std::string owner_;  // the lines of the file before that of the heartbeat
  std::uint64_t beats_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_over_ = false;
  std::thread thread_;
};

/// Whether a training holds the lock of a run folder now.
bool is_training(const std::filesystem::path& run_folder);

}  // namespace tessera::train
