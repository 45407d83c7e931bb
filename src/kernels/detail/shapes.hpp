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
// Parameters are views of either space; the contents of index lists can only be checked on the host.
namespace tessera::kernels::detail {

inline void check_scores(const auto& queries, const auto& rows, const auto& out) {
  TESSERA_ASSERT(queries.cols == rows.cols, "queries and rows differ in dim");
  TESSERA_ASSERT(out.rows == queries.rows && out.cols == rows.rows, "scores must be [queries, rows]");
}

inline void check_pairs(const auto& queries, const auto& rows, const auto& out) {
  TESSERA_ASSERT(queries.cols == rows.cols, "queries and rows differ in dim");
  TESSERA_ASSERT(queries.rows == rows.rows && out.size() == rows.rows, "pairs need as many queries as rows");
}

inline void check_gradients(const auto& weights, const auto& queries, const auto& rows) {
  TESSERA_ASSERT(weights.rows == queries.rows && weights.cols == rows.rows, "weights must be [queries, rows]");
  TESSERA_ASSERT(queries.cols == rows.cols, "queries and rows differ in dim");
}

inline void check_factors(const auto& factors, const auto& queries) {
  TESSERA_ASSERT(factors.size() == queries.rows, "one factor per query");
}

inline void check_softmax(const auto& logits, const auto& target_scores, const auto& losses,
                          const auto& target_weights) {
  TESSERA_ASSERT(
      target_scores.size() == logits.rows && losses.size() == logits.rows && target_weights.size() == logits.rows,
      "softmax needs one target per row of logits");
}

inline void check_row_results(const auto& logits, const auto& a, const auto& b) {
  TESSERA_ASSERT(a.size() == logits.rows && b.size() == logits.rows, "one result per row of logits");
}

inline void check_below(std::span<const std::uint32_t> indices, std::size_t rows) {
  std::uint32_t highest = 0;
  for (const std::uint32_t index : indices) highest = std::max(highest, index);
  TESSERA_ASSERT(indices.empty() || highest < rows, "row index outside the table");
}
inline void check_below(device::Span<const std::uint32_t> /*indices*/, std::size_t /*rows*/) {}

/// `packed` has one row for each index into `table`.
inline void check_indexed(const auto& packed, const auto& indices, const auto& table) {
  TESSERA_ASSERT(packed.rows == indices.size() && packed.cols == table.cols, "one row of the table's width per index");
  check_below(indices, table.rows);
}

inline void check_row_state(const auto& state, const auto& table) {
  TESSERA_ASSERT(state.size() == table.rows, "row-wise Adagrad needs one state per row");
}

/// As check_indexed, with two moments side by side for each element of the table.
inline void check_moments(const auto& packed, const auto& indices, const auto& table, const auto& state) {
  check_indexed(packed, indices, table);
  TESSERA_ASSERT(state.rows == table.rows && state.cols == 2 * table.cols, "Adam needs a state of [rows, 2 * dim]");
}

inline void check_segment_lists(std::span<const std::uint32_t> offsets, std::span<const std::uint32_t> positions,
                                std::size_t rows) {
  TESSERA_ASSERT(std::is_sorted(offsets.begin(), offsets.end()) && offsets.back() <= positions.size(),
                 "segment offsets must rise and stay inside the positions");
  for (const std::uint32_t position : positions.subspan(offsets.front(), offsets.back() - offsets.front()))
    TESSERA_ASSERT(position < rows, "position outside the summed rows");
}
inline void check_segment_lists(device::Span<const std::uint32_t> /*offsets*/,
                                device::Span<const std::uint32_t> /*positions*/, std::size_t /*rows*/) {}

inline void check_segments(const auto& in, const auto& offsets, const auto& positions, const auto& out) {
  TESSERA_ASSERT(in.cols == out.cols, "sums have the width of what is summed");
  TESSERA_ASSERT(offsets.size() == out.rows + 1, "segments need one offset more than rows");
  check_segment_lists(offsets, positions, in.rows);
}

inline void check_ranks(const auto& queries, const auto& rows, const auto& target_scores, const auto& n_greater,
                        const auto& n_equal) {
  TESSERA_ASSERT(queries.cols == rows.cols, "queries and rows differ in dim");
  TESSERA_ASSERT(
      target_scores.size() == queries.rows && n_greater.size() == queries.rows && n_equal.size() == queries.rows,
      "ranks need one target and two counts per query");
}

}  // namespace tessera::kernels::detail
