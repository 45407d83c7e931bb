// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tuning/plan.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace tessera::tuning {

/// SEARCH/results.jsonl: a line for each trial and round, appended by any number of processes, one at a time.
class ResultLog {
 public:
  explicit ResultLog(const std::filesystem::path& folder) : file_(folder / "results.jsonl") {}
  /// A last line that was cut off is left out, and of a trial and round all lines but the first. Throws Error(kBadData)
  /// with file and line.
  [[nodiscard]] std::vector<Result> read() const;
  /// Throws Error(kIo). The caller holds the lock of the search.
  void append(const Result& result) const;

 private:
  std::filesystem::path file_;
};

/// What RUN/metrics.jsonl says of the first `epochs` epochs; a failure when there is no validation in it.
Result read_result(const std::filesystem::path& run_folder, std::size_t trial, std::uint64_t epochs);

}  // namespace tessera::tuning
