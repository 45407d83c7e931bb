// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace tessera::graph {

/// Tells whether numbers are a permutation of their positions without a table of them: the sum of a hash over the
/// numbers less the same sum over the positions, which is 0 for a permutation and by chance once in 2^64 for anything
/// else. Sums of pieces, also of several ranks, add up.
class PermutationSum {
 public:
  /// `ids` stand at positions first, first + 1, ...
  void add(std::span<const std::uint64_t> ids, std::uint64_t first) {
    for (std::size_t i = 0; i < ids.size(); ++i) difference_ += mixed(ids[i]) - mixed(first + i);
  }
  [[nodiscard]] bool is_permutation() const { return difference_ == 0; }
  [[nodiscard]] std::uint64_t value() const { return difference_; }

 private:
  // The finaliser of splitmix64 (Steele, Lea, Flood 2014).
  static std::uint64_t mixed(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
  }
  std::uint64_t difference_ = 0;
};

}  // namespace tessera::graph
