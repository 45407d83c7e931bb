// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/dictionary.hpp"
#include "partition/import/name_file.hpp"
#include "partition/import/rank_table.hpp"
#include "partition/import/triples.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace tessera::partition {

/// Names that did not fit the memory: the content of one dictionary after the other, each a sorted run in a temporary
/// file. A name may be in several runs, under another number in each.
class NameRuns {
 public:
  explicit NameRuns(std::filesystem::path folder) : folder_(std::move(folder)) {}
  [[nodiscard]] bool empty() const { return runs_.empty(); }
  [[nodiscard]] std::uint64_t size() const { return runs_.size(); }

  /// Writes the names of `dictionary`, whose numbers go on where those of the last run ended.
  void add(const Dictionary& dictionary);

  /// Distinct names by rank, and the ranks of all numbers.
  struct Merged {
    NameFile names;
    RankTable ranks;
  };
  /// `keep(numbers)` tells whether the name with these numbers, one from each run that has it, gets a rank. Memory:
  /// that of one sort.
  using Keep = std::function<bool(std::span<const std::uint64_t> numbers)>;
  Merged merge(const SortSettings& settings, const Keep& keep);

 private:
  struct Run {
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  std::filesystem::path folder_;
  std::optional<TempFile> file_;
  std::vector<Run> runs_;
  std::vector<std::uint64_t> starts_ = {0};  // first number of each run, and the end
};

}  // namespace tessera::partition
