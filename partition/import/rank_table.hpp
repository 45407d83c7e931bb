// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/temp_file.hpp"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace tessera::partition {

inline constexpr std::uint64_t kNoRank = ~std::uint64_t{0};

/// The rank of each number, or kNoRank: all in memory, or one window of a temporary file at a time. Windows are the
/// ranges of numbers that were in use at the same time, so records in the order in which they were written need few
/// windows.
class RankTable {
 public:
  RankTable() = default;
  explicit RankTable(std::vector<std::uint64_t> ranks) : window_(std::move(ranks)) {}
  /// The ranks of `file`; `starts` are the first numbers of the windows, and the end.
  RankTable(TempFile file, std::vector<std::uint64_t> starts) : file_(std::move(file)), starts_(std::move(starts)) {}

  void prefetch(std::uint64_t number) const {
    if (number - first_ < window_.size()) __builtin_prefetch(&window_[number - first_]);
  }
  /// Numbers must be below the end.
  std::uint64_t operator[](std::uint64_t number) {
    if (number - first_ >= window_.size()) load(number);
    return window_[number - first_];
  }

 private:
  void load(std::uint64_t number);
  std::optional<TempFile> file_;
  std::vector<std::uint64_t> starts_;
  std::uint64_t first_ = 0;
  std::vector<std::uint64_t> window_;
};

}  // namespace tessera::partition
