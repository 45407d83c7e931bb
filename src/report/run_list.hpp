// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tessera::report {

/// A run folder as a line of a list. What cannot be read stays empty, and `fault` says why.
struct ListedRun {
  std::string name;  ///< path beneath the folder that was searched
  std::string model;
  std::uint64_t dim = 0;
  std::uint64_t epochs = 0;  ///< logged
  std::optional<std::uint64_t> of_epochs;
  std::string state;  ///< "running", "stopped", "finished", "no checkpoint", "damaged"
  std::optional<double> best_valid_mrr;
  std::uint64_t best_epoch = 0;
  std::optional<double> test_mrr;
  std::uint64_t test_epoch = 0;  ///< epoch that was ranked
  std::string changed;           ///< time of the newest file of the run, ISO 8601 UTC
  std::string fault;
};

/// The runs beneath a folder, which may be a run itself, by name. Folders that cannot be opened are passed over with a
/// warning. Throws Error(kMissingInput).
std::vector<ListedRun> list_runs(const std::filesystem::path& folder);

/// Keys that a list can be sorted by.
const std::vector<std::string>& sort_keys();
/// Sorts: best first for MRR, newest first for `changed`, most first for numbers; runs without a value come last.
void sort_runs(std::vector<ListedRun>& runs, const std::string& key);

/// As one JSON array on one line; values that are not known are null.
std::string to_json(const std::vector<ListedRun>& runs);

}  // namespace tessera::report
