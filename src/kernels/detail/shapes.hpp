// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "kernels/composition.hpp"
#include "kernels/distances.hpp"
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

inline void check_same_shape(const auto& a, const auto& b) {
  TESSERA_ASSERT(a.rows == b.rows && a.cols == b.cols, "matrices of the same shape");
}

/// `own` are the vectors whose gradients are `out`.
inline void check_distance_gradients(Similarity similarity, const auto& of, const auto& own, const auto& out) {
  TESSERA_ASSERT(similarity != Similarity::kDot, "gradients of dot products are products");
  check_gradients(of.weights, of.queries, of.rows);
  check_same_shape(own, out);
}

inline void check_pair_gradients(const auto& of, const auto& query_gradients, const auto& row_gradients) {
  check_pairs(of.queries, of.rows, of.scores);
  TESSERA_ASSERT(of.weights.size() == of.queries.rows, "one weight for each pair");
  check_same_shape(query_gradients, of.queries);
  check_same_shape(row_gradients, of.rows);
}

inline void check_losses(const auto& logits, const auto& targets) {
  TESSERA_ASSERT(targets.scores.size() == logits.rows && targets.losses.size() == logits.rows &&
                     targets.weights.size() == logits.rows &&
                     (targets.priors.size() == 0 || targets.priors.size() == logits.rows) &&
                     (targets.times.size() == 0 || targets.times.size() == logits.rows),
                 "one target and one loss for each row of scores");
}

inline void check_columns(const auto& values, const auto& logits) {
  TESSERA_ASSERT(values.size() == logits.cols, "one value for each column");
}

inline void check_negatives(const auto& scores, const auto& targets) {
  check_losses(scores, targets);
  TESSERA_ASSERT(scores.cols > 0, "a target is compared with negatives");
}

/// How many tiles a row has; a row without candidates is one empty tile.
inline std::size_t tile_count(std::size_t cols, std::size_t tile) { return cols == 0 ? 1 : (cols + tile - 1) / tile; }

inline void check_weights(const auto& tiled) {
  TESSERA_ASSERT(tiled.tile > 0, "tiles have columns");
  TESSERA_ASSERT(
      tiled.factors.rows == tile_count(tiled.weights.cols, tiled.tile) && tiled.factors.cols == tiled.weights.rows,
      "factors must be [tiles, queries]");
}

inline void check_tiled(const auto& tiled, const auto& queries, const auto& rows) {
  check_gradients(tiled.weights, queries, rows);
  check_weights(tiled);
}

inline void check_tile_results(const auto& logits, std::size_t tile, const auto& a, const auto& b) {
  TESSERA_ASSERT(tile > 0, "tiles have columns");
  const std::size_t tiles = tile_count(logits.cols, tile);
  TESSERA_ASSERT(a.rows == logits.rows && b.rows == logits.rows && a.cols == tiles && b.cols == tiles,
                 "one result per row and tile of logits");
}

inline void check_below(std::span<const std::uint32_t> indices, std::size_t rows) {
  std::uint32_t maximum = 0;
  for (const std::uint32_t index : indices) maximum = std::max(maximum, index);
  TESSERA_ASSERT(indices.empty() || maximum < rows, "row index outside the table");
}
inline void check_below(device::Span<const std::uint32_t> /*indices*/, std::size_t /*rows*/) {}

/// `packed` has one row for each index into `table`.
inline void check_indexed(const auto& packed, const auto& indices, const auto& table) {
  TESSERA_ASSERT(packed.rows == indices.size() && packed.cols == table.cols, "one row of the table's width per index");
  check_below(indices, table.rows);
}

/// `out` gets stored rows of `table`.
inline void check_taken(const auto& table, const auto& indices, const auto& out) {
  TESSERA_ASSERT(out.format == table.format, "stored rows keep their format");
  check_indexed(out, indices, table);
}

inline void check_row_state(const auto& state, const auto& table) {
  TESSERA_ASSERT(state.size() == table.rows, "row-wise Adagrad needs one state per row");
}

/// Checks the lists of check_indexed, and a state of two moments for each element of the table.
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
  TESSERA_ASSERT(in.cols == out.cols, "sums have the width of their terms");
  TESSERA_ASSERT(offsets.size() == out.rows + 1, "segments need one offset more than rows");
  check_segment_lists(offsets, positions, in.rows);
}

/// A list of `size` indices below `bound`.
inline void check_list(const auto& list, std::size_t size, std::size_t bound) {
  TESSERA_ASSERT(list.size() == size, "lists of different lengths");
  check_below(list, bound);
}

inline void check_cells(const auto& cells, const auto& matrix) {
  check_list(cells.rows, cells.size(), matrix.rows);
  check_list(cells.cols, cells.size(), matrix.cols);
}

inline void check_run_lists(std::span<const std::uint32_t> first, std::span<const std::uint32_t> end,
                            std::size_t count) {
  for (std::size_t k = 0; k < first.size(); ++k)
    TESSERA_ASSERT(first[k] <= end[k] && end[k] <= count, "runs must stay inside the columns");
}
inline void check_run_lists(device::Span<const std::uint32_t> /*first*/, device::Span<const std::uint32_t> /*end*/,
                            std::size_t /*count*/) {}

inline void check_runs(const auto& runs, const auto& matrix) {
  check_below(runs.rows, runs.first_row + matrix.rows);
  TESSERA_ASSERT(runs.first.size() == runs.size() && runs.end.size() == runs.size(), "a run for each row");
  check_run_lists(runs.first, runs.end, runs.cols.size());
}

/// A window of summed rows, cut out of segments that lie side by side.
inline void check_segment_window(const auto& in, const auto& offsets, const auto& out) {
  TESSERA_ASSERT(in.cols == out.cols, "sums have the width of their terms");
  TESSERA_ASSERT(offsets.size() == out.rows + 1, "segments need one offset more than rows");
}

inline void check_mask_rows(const auto& mask_rows, const auto& rows) {
  TESSERA_ASSERT(mask_rows.empty() || mask_rows.size() == rows.rows, "a row of the mask for each row");
}

inline void check_added(const auto& in, const auto& from, const auto& to, const auto& table) {
  TESSERA_ASSERT(in.cols == table.cols, "rows have the width of the table");
  check_list(from, to.size(), in.rows);
  check_list(to, to.size(), table.rows);
}

inline void check_composed(Formula formula, const auto& sources, const auto& operators, const auto& relations,
                           const auto& queries) {
  TESSERA_ASSERT(sources.rows == queries.rows && sources.cols == queries.cols, "a query vector for each source");
  TESSERA_ASSERT(operators.cols == relation_dim(formula, sources.cols), "operators do not fit the rows");
  check_list(relations, sources.rows, operators.rows);
}

inline void check_operator_gradients(Formula formula, const auto& of, const auto& operators, const auto& relations,
                                     const auto& out) {
  check_same_shape(of.sources, of.query_gradients);
  TESSERA_ASSERT(operators.cols == relation_dim(formula, of.sources.cols) && out.cols == operators.cols,
                 "operators do not fit the rows");
  TESSERA_ASSERT(of.segments.offsets.size() == out.rows + 1, "segments need one offset more than rows");
  check_list(relations, out.rows, operators.rows);
  check_segment_lists(of.segments.offsets, of.segments.positions, of.sources.rows);
}

inline void check_penalties(const auto& of, const auto& gradients, const auto& to) {
  TESSERA_ASSERT(of.table.cols == gradients.cols && of.times.size() == of.rows.size(), "one factor per penalised row");
  check_list(of.rows, to.size(), of.table.rows);
  check_list(to, to.size(), gradients.rows);
}

inline void check_weighted(const auto& weighted, const auto& segments, const auto& out, const auto& to) {
  const std::size_t places = weighted.row_of.size();
  TESSERA_ASSERT(weighted.table.cols == out.cols, "sums have the width of their terms");
  TESSERA_ASSERT(weighted.extra.rows == 0 || (weighted.extra.rows == places && weighted.extra.cols == out.cols),
                 "an extra row for each position, or none");
  TESSERA_ASSERT(segments.offsets.size() == to.size() + 1, "segments need one offset more than rows");
  check_list(weighted.weight_of, places, weighted.weights.size());
  check_list(weighted.row_of, places, weighted.table.rows);
  check_list(to, to.size(), out.rows);
  check_segment_lists(segments.offsets, segments.positions, places);
}

inline void check_part_sums(const auto& first, const auto& second, const auto& out) {
  TESSERA_ASSERT(first.rows == out.size() && second.rows == out.size() && first.cols == second.cols,
                 "results of tiles must be [queries, tiles]");
}

inline void check_part_statistics(const auto& powers, const auto& sums, const auto& maxima, const auto& out) {
  check_part_sums(powers, sums, out);
  TESSERA_ASSERT(maxima.size() == out.size(), "one maximum score per query");
}

inline void check_terms(const auto& loss, const auto& all, const auto& targets, const auto& terms) {
  const std::size_t times = targets.times.size();
  TESSERA_ASSERT(times == 0 || (loss.index() == 0 && times == targets.scores.size()), "softmax: times of each target");
  TESSERA_ASSERT(all.size() == terms.size() && targets.first.size() == terms.size() + 1,
                 "a statistic and a run of targets for each query");
  TESSERA_ASSERT(targets.scores.size() == targets.weights.size(), "a weight for each target");
  if constexpr (requires { targets.first[0]; })
    TESSERA_ASSERT(
        std::is_sorted(targets.first.begin(), targets.first.end()) && targets.first.back() <= targets.scores.size(),
        "runs of targets must rise and stay inside the targets");
}

inline void check_part_factors(const auto& powers, const auto& maxima, const auto& terms, const auto& out) {
  TESSERA_ASSERT(powers.rows == maxima.size() && powers.rows == terms.size(), "one row of powers per query");
  TESSERA_ASSERT(out.rows == powers.cols && out.cols == powers.rows, "factors must be [tiles, queries]");
}

inline void check_ranks(const auto& tile, const auto& counts) {
  TESSERA_ASSERT(tile.queries.cols == tile.rows.cols, "queries and rows differ in dim");
  TESSERA_ASSERT(tile.target_scores.size() == tile.queries.rows && counts.n_greater.size() == tile.queries.rows &&
                     counts.n_equal.size() == tile.queries.rows,
                 "ranks need one target and two counts per query");
}

}  // namespace tessera::kernels::detail
