// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/query_block.hpp"
#include "model/pair_effort.hpp"

#include <cstdint>
#include <span>

namespace tessera::evaluate::detail {

/// Compares every query of a block with every row that this rank owns. What it counts is that of Ranks::count to the
/// last bit, wherever and however it is done. Nothing here is collective.
class CandidateCounts {
 public:
  virtual ~CandidateCounts() = default;
  /// The parameters may have changed. Effort starts at nothing.
  virtual void begin() = 0;
  /// Starts counting for a block and its target scores, which stay as they are until finish().
  virtual void start(const QueryBlock& block, std::span<const float> target_scores) = 0;
  /// Adds to n_greater[i], n_equal[i] the owned rows that score above, and level with, the target of query i; the
  /// target's own row is level with itself.
  virtual void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) = 0;
  /// Since begin().
  [[nodiscard]] virtual model::PairEffort effort() const = 0;
};

}  // namespace tessera::evaluate::detail
