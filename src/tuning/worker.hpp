// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/file_lock.hpp"
#include "tuning/plan.hpp"
#include "tuning/results.hpp"

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tessera::tuning {

/// "trial-0003".
std::string trial_name(std::size_t trial);

/// One of the processes that work on a search folder, on one or several machines. Each takes trials that no other has,
/// until all rounds are complete.
class Worker {
 public:
  /// Makes the folder, with a copy of the search file. Throws Error: kUsage when the folder is of another search, kIo.
  /// `program` is the path of tessera.
  Worker(const Search& search, const std::filesystem::path& search_file, std::string program);
  /// True when the search is complete, false when `stop` was set and this worker has ended its trial. Throws Error.
  bool run(const std::atomic<bool>& stop);
  [[nodiscard]] std::vector<Result> results() const { return log_.read(); }

 private:
  /// A trial of a round that this worker has to itself.
  struct Task {
    std::size_t trial;
    std::uint64_t epochs;
    storage::FileLock claim;
  };
  /// What there is to do.
  struct Next {
    std::optional<Task> task;
    bool is_complete = false;  ///< all rounds are; else, without a task, others work on the rest of the round
  };
  Next take_task();
  /// False when it was stopped.
  bool train(const Task& task, const std::atomic<bool>& stop);
  void report(const Result& result) const;
  [[nodiscard]] storage::FileLock lock() const;
  [[nodiscard]] std::filesystem::path trial_folder(std::size_t trial) const { return folder_ / trial_name(trial); }

  const Search& search_;
  std::filesystem::path folder_;
  std::string program_;
  ResultLog log_;
};

}  // namespace tessera::tuning
