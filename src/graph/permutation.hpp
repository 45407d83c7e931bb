// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/mix.hpp"

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
    for (std::size_t i = 0; i < ids.size(); ++i) difference_ += mix(ids[i] + kMixStep) - mix(first + i + kMixStep);
  }
  [[nodiscard]] bool is_permutation() const { return difference_ == 0; }
  [[nodiscard]] std::uint64_t value() const { return difference_; }

 private:
  std::uint64_t difference_ = 0;
};

}  // namespace tessera::graph
