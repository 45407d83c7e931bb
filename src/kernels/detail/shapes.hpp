// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "kernels/matrix.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

// Every backend checks the shapes of a call before it touches memory: a kernel call is batch-sized, a check is noise.
namespace tessera::kernels::detail {

inline void check_scores(ConstMatrix queries, ConstMatrix rows, ConstMatrix out) {
  TESSERA_ASSERT(queries.cols == rows.cols, "queries and rows differ in dim");
  TESSERA_ASSERT(out.rows == queries.rows && out.cols == rows.rows, "scores must be [queries, rows]");
}

inline void check_pairs(ConstMatrix queries, ConstMatrix rows, std::span<const float> out) {
  TESSERA_ASSERT(queries.cols == rows.cols, "queries and rows differ in dim");
  TESSERA_ASSERT(queries.rows == rows.rows && out.size() == rows.rows, "pairs need as many queries as rows");
}

inline void check_gradients(ConstMatrix weights, ConstMatrix queries, ConstMatrix rows) {
  TESSERA_ASSERT(weights.rows == queries.rows && weights.cols == rows.rows, "weights must be [queries, rows]");
  TESSERA_ASSERT(queries.cols == rows.cols, "queries and rows differ in dim");
}

inline void check_factors(std::span<const float> factors, ConstMatrix queries) {
  TESSERA_ASSERT(factors.size() == queries.rows, "one factor per query");
}

inline void check_softmax(ConstMatrix logits, std::span<const float> target_scores, std::span<const float> losses,
                          std::span<const float> target_weights) {
  TESSERA_ASSERT(
      target_scores.size() == logits.rows && losses.size() == logits.rows && target_weights.size() == logits.rows,
      "softmax needs one target per row of logits");
}

inline void check_row_results(ConstMatrix logits, std::span<const float> a, std::span<const float> b) {
  TESSERA_ASSERT(a.size() == logits.rows && b.size() == logits.rows, "one result per row of logits");
}

/// `packed` has one row for each index into `table`.
inline void check_indexed(ConstMatrix packed, std::span<const std::uint32_t> indices, ConstMatrix table) {
  TESSERA_ASSERT(packed.rows == indices.size() && packed.cols == table.cols, "one row of the table's width per index");
  std::uint32_t highest = 0;
  for (const std::uint32_t index : indices) highest = std::max(highest, index);
  TESSERA_ASSERT(indices.empty() || highest < table.rows, "row index outside the table");
}

/// As above, with two moments side by side for each element of the table.
inline void check_moments(ConstMatrix packed, std::span<const std::uint32_t> indices, ConstMatrix table,
                          ConstMatrix state) {
  check_indexed(packed, indices, table);
  TESSERA_ASSERT(state.rows == table.rows && state.cols == 2 * table.cols, "Adam needs a state of [rows, 2 * dim]");
}

inline void check_segments(ConstMatrix in, std::span<const std::uint32_t> offsets,
                           std::span<const std::uint32_t> positions, ConstMatrix out) {
  TESSERA_ASSERT(in.cols == out.cols, "sums have the width of what is summed");
  TESSERA_ASSERT(offsets.size() == out.rows + 1, "segments need one offset more than rows");
  TESSERA_ASSERT(std::is_sorted(offsets.begin(), offsets.end()) && offsets.back() <= positions.size(),
                 "segment offsets must rise and stay inside the positions");
  for (const std::uint32_t position : positions.subspan(offsets.front(), offsets.back() - offsets.front()))
    TESSERA_ASSERT(position < in.rows, "position outside the summed rows");
}

inline void check_ranks(ConstMatrix queries, ConstMatrix rows, std::span<const float> target_scores,
                        std::span<const std::uint32_t> n_greater, std::span<const std::uint32_t> n_equal) {
  TESSERA_ASSERT(queries.cols == rows.cols, "queries and rows differ in dim");
  TESSERA_ASSERT(
      target_scores.size() == queries.rows && n_greater.size() == queries.rows && n_equal.size() == queries.rows,
      "ranks need one target and two counts per query");
}

}  // namespace tessera::kernels::detail
