// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/queries/candidate_scores.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace tessera::train {

using exchange::PartRange;
using execution::Space;
using execution::vector_of;
using kernels::Similarity;
using kernels::Statistic;
using memory::Tag;

namespace {

/// Floats between the rows of a block's values on the host: a cache line, so that a column is not all in a few sets of
/// a cache.
constexpr std::size_t kGap = 16;

template <Space kSpace>
std::size_t value_stride(std::size_t cols) {
  return kSpace == Space::kHost ? cols + kGap : kernels::padded_stride(cols);
}

std::size_t tiles_of(std::size_t rows) { return std::max<std::size_t>(1, (rows + kTileRows - 1) / kTileRows); }

}  // namespace

template <Space kSpace>
std::uint64_t CandidateScores<kSpace>::longest_list(const CandidateLoss& loss, const StepSizes& sizes) {
  std::uint64_t longest = std::max(sizes.queries, sizes.targets);
  for (const PartSizes& part : sizes.own) longest = std::max(longest, loss.exact ? part.rows : part.batch.candidates);
  return longest;
}

template <Space kSpace>
CandidateScores<kSpace>::CandidateScores(const StepSetup<kSpace>& setup, const CandidateLoss& loss,
                                         const StepSizes& sizes)
    : executor_(setup.executor),
      memory_(setup.memory),
      tables_(setup.tables),
      loss_(loss),
      entities_(setup.shard.manifest.entity_count),
      first_part_(setup.shard.parts.front().id().value()),
      dim_(sizes.dim),
      capacity_(sizes.queries) {
  for (std::size_t p = 0; p < sizes.own.size(); ++p) allocate_part(p, sizes);
  allocate_scratch();
  packed_queries_ = memory_.allocate_bytes(Tag::kLogits, executor_.kernels().gradients.packed_bytes(capacity_, dim_));
  const auto levels = static_cast<std::size_t>(std::bit_width(sizes.own.size() - 1));
  level_statistics_ = executor_.template allocate<Statistic>(Tag::kLogits, levels * capacity_);
  terms_ = executor_.template allocate<kernels::LossTerms>(Tag::kLogits, capacity_);
  target_scores_ = executor_.template allocate<float>(Tag::kLogits, sizes.targets);
  target_weights_ = executor_.template allocate<float>(Tag::kLogits, sizes.targets);
}

template <Space kSpace>
void CandidateScores<kSpace>::allocate_part(std::size_t p, const StepSizes& sizes) {
  const auto& gradients = executor_.kernels().gradients;
  const std::size_t table_rows = sizes.own[p].rows;
  Part part;
  part.rows = loss_.exact ? table_rows : sizes.own[p].batch.candidates;
  part.tiles = tiles_of(part.rows);
  part.block = std::max<std::size_t>(1, executor_.block_rows(part.rows, kTileRows));
  parts_.push_back(part);
  if (is_copied(p)) part.gathered = memory_.allocate(loss_.exact ? Tag::kRows : Tag::kNegatives, part.rows, dim_);
  if (!loss_.exact && loss_.unbiased)
    part.shift = static_cast<float>(
        std::log(loss_.rows_for_each * static_cast<double>(table_rows) / static_cast<double>(part.rows)));
  if (loss_.keep_scores) {
    const std::size_t blocks = part.rows / part.block;
    const std::size_t columns =
        blocks * value_stride<kSpace>(part.block) + value_stride<kSpace>(part.rows - blocks * part.block);
    part.values = vector_of(memory_.allocate(Tag::kLogits, capacity_, columns), capacity_ * columns);
  }
  part.maxima = memory_.allocate(Tag::kLogits, capacity_, part.tiles);
  part.sums = memory_.allocate(Tag::kLogits, capacity_, part.tiles);
  part.factors = {part.sums.data, part.tiles, capacity_, capacity_};
  if (!loss_.binary) part.part_maxima = memory_.allocate(Tag::kLogits, capacity_, 1);
  if (part.block >= part.rows) {
    if (is_copied(p) || tables_.part(p).rows.is_fp32())
      part.packed_rows = memory_.allocate_bytes(Tag::kLogits, gradients.packed_bytes(part.rows, dim_));
    if (loss_.keep_scores)
      part.packed_weights = memory_.allocate_bytes(Tag::kLogits, gradients.packed_weight_bytes(capacity_, part.rows));
  }
  parts_.back() = part;
}

template <Space kSpace>
void CandidateScores<kSpace>::allocate_scratch() {
  std::size_t block = 0;
  std::size_t converted = 0;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    block = std::max(block, parts_[p].block);
    if (is_converted(p)) converted = std::max(converted, parts_[p].block);
  }
  for (std::size_t worker = 0; worker < executor_.workers(); ++worker) {
    Scratch scratch;
    if (!loss_.keep_scores) {
      scratch.values = memory_.allocate(Tag::kLogits, capacity_, value_stride<kSpace>(block));
      scratch.maxima = memory_.allocate(Tag::kLogits, capacity_, tiles_of(block));
    }
    scratch.sums = memory_.allocate(Tag::kLogits, capacity_, loss_.keep_scores ? 1 : tiles_of(block));
    if (converted > 0) scratch.rows = memory_.allocate(Tag::kBatch, converted, dim_);
    scratch_.push_back(scratch);
  }
}

template <Space kSpace>
bool CandidateScores<kSpace>::takes(std::size_t p) const {
  const kernels::BasicConstStoredRows<kSpace> table = tables_.part(p).rows;
  return table.is_fp32() || executor_.kernels().gradients.takes_stored(table);
}

template <Space kSpace>
bool CandidateScores<kSpace>::is_copied(std::size_t p) const {
  return !loss_.exact || (!takes(p) && parts_[p].block >= parts_[p].rows);
}

template <Space kSpace>
bool CandidateScores<kSpace>::is_converted(std::size_t p) const {
  return !is_copied(p) && !takes(p);
}

// Large blocks read the candidates less often; every worker should have one. No bit depends on it.
template <Space kSpace>
std::size_t CandidateScores<kSpace>::query_block() const {
  return std::clamp<std::size_t>((batch_ + executor_.workers() - 1) / executor_.workers(), 1, kMostBlockQueries);
}

// ---- scores

template <Space kSpace>
void CandidateScores<kSpace>::score(const Lists& lists, ConstMatrix queries) {
  batch_ = lists.queries;
  queries_ = executor_.kernels().gradients.pack(queries, packed_queries_);
  prepare_candidates(lists);
  if (!loss_.exact) score_sampled_targets(lists);
  executor_.for_part_blocks(
      parts_.size(), [&](std::size_t p) { return parts_[p].rows; }, kTileRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        score_block(p, {first, count, worker}, lists);
      });
  executor_.for_blocks(batch_, query_block(), [&](std::size_t first, std::size_t count, std::size_t worker) {
    for (const Part& part : parts_) merge_tiles(part, {first, count}, worker);
  });
}

template <Space kSpace>
void CandidateScores<kSpace>::prepare_candidates(const Lists& lists) {
  const auto& kernels = executor_.kernels();
  executor_.for_part_blocks(
      parts_.size(), [&](std::size_t p) { return is_copied(p) ? parts_[p].rows : 0; }, kTileRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t /*worker*/) {
        const auto rows =
            loss_.exact ? memory_.counting(count, first) : lists.parts[p].sampled.rows.subspan(first, count);
        kernels.rows.gather(tables_.part(p).rows, rows, parts_[p].gathered.block(first, count));
      });
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    Part& part = parts_[p];
    if (part.block < part.rows) continue;
    const kernels::BasicConstStoredRows<kSpace> table = tables_.part(p).rows;
    if (!is_copied(p) && !table.is_fp32())
      part.candidates = kernels::BasicOperand<kSpace>::stored(table);
    else
      part.candidates =
          kernels.gradients.pack(is_copied(p) ? ConstMatrix(part.gathered) : table.matrix(), part.packed_rows);
  }
}

template <Space kSpace>
void CandidateScores<kSpace>::score_sampled_targets(const Lists& lists) {
  executor_.for_part_blocks(
      parts_.size(), [&](std::size_t p) { return lists.parts[p].targets.count; }, kTileRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t /*worker*/) {
        const TargetLists<kSpace>& targets = lists.parts[p].targets;
        executor_.kernels().targets.score(queries_.matrix, tables_.part(p).rows,
                                          {targets.query.subspan(first, count), targets.row.subspan(first, count)},
                                          targets.entry.subspan(first, count), target_scores(lists));
      });
}

template <Space kSpace>
void CandidateScores<kSpace>::score_block(std::size_t p, const Block& block, const Lists& lists) {
  const Part& part = parts_[p];
  const Matrix scores = value_memory(part, block, batch_);
  make_scores(p, block, {0, batch_}, lists, scores);
  if (loss_.exact) read_targets(p, block, lists, scores);
  const std::size_t first_tile = block.first / kTileRows;
  const std::size_t tiles = tiles_of(block.count);
  to_values(scores, part.maxima.block(0, batch_).columns(first_tile, tiles),
            part.sums.block(0, batch_).columns(first_tile, tiles));
}

template <Space kSpace>
typename CandidateScores<kSpace>::Matrix CandidateScores<kSpace>::value_memory(const Part& part, const Block& block,
                                                                               std::size_t queries) const {
  const std::size_t before = block.first / part.block * value_stride<kSpace>(part.block) * capacity_;
  float* data = loss_.keep_scores ? part.values.data() + before : scratch_[block.worker].values.data;
  return {data, queries, block.count, value_stride<kSpace>(block.count)};
}

template <Space kSpace>
kernels::BasicOperand<kSpace> CandidateScores<kSpace>::candidates(std::size_t p, const Block& block) const {
  const Part& part = parts_[p];
  if (block.count == part.rows) return part.candidates;
  const kernels::BasicConstStoredRows<kSpace> table = tables_.part(p).rows;
  if (is_converted(p)) {
    const Matrix rows = scratch_[block.worker].rows.block(0, block.count);
    executor_.kernels().rows.gather(table, memory_.counting(block.count, block.first), rows);
    return rows;
  }
  const ConstMatrix rows = is_copied(p) ? ConstMatrix(part.gathered) : table.matrix();
  return rows.block(block.first, block.count);
}

// A sampled candidate that is a target of the query does not count against it.
template <Space kSpace>
void CandidateScores<kSpace>::make_scores(std::size_t p, const Block& block, QueryRange queries, const Lists& lists,
                                          Matrix scores) const {
  const auto& kernels = executor_.kernels();
  const bool has_all = queries.count == batch_;
  const auto of_block = candidates(p, block);
  if (has_all)
    kernels.scores.all_pairs(Similarity::kDot, queries_, of_block, scores);
  else
    kernels.scores.all_pairs(Similarity::kDot, queries_.matrix.block(queries.first, queries.count), of_block, scores);
  if (loss_.exact) return;
  kernels::BasicRuns<kSpace> masked = lists.parts[p].sampled.masked;
  if (!has_all) {
    const ListRange targets =
        values_at<kSpace>(lists.parts[p].targets.query_offsets, queries.first, queries.first + queries.count);
    masked.rows = masked.rows.subspan(targets.first, targets.size());
    masked.first = masked.first.subspan(targets.first, targets.size());
    masked.end = masked.end.subspan(targets.first, targets.size());
  }
  masked.first_row = queries.first;
  masked.first_col = block.first;
  kernels.targets.fill(-std::numeric_limits<float>::infinity(), masked, scores);
}

template <Space kSpace>
void CandidateScores<kSpace>::read_targets(std::size_t p, const Block& block, const Lists& lists, ConstMatrix scores) {
  const TargetLists<kSpace>& targets = lists.parts[p].targets;
  const ListRange ids = ids_in<kSpace>(targets.ids, block.first, block.count, parts_[p].rows);
  const ListRange cells = positions_in(targets.by_row, ids);
  executor_.kernels().targets.read(
      scores,
      {targets.cell_query.subspan(cells.first, cells.size()), targets.cell_column.subspan(cells.first, cells.size())},
      targets.cell_entry.subspan(cells.first, cells.size()), target_scores(lists));
}

template <Space kSpace>
void CandidateScores<kSpace>::to_values(Matrix scores, Matrix maxima, Matrix sums) const {
  const auto& softmax = executor_.kernels().softmax;
  if (loss_.binary)
    softmax.logistic(scores, kTileRows, loss_.binary_over(entities_, 1).offset, maxima, sums);
  else
    softmax.exponentials(scores, kTileRows, maxima, sums);
}

// Softmax: a maximum becomes exp(tile's - part's), and sums belong to the part's maximum. Binary: nothing to do.
template <Space kSpace>
void CandidateScores<kSpace>::merge_tiles(const Part& part, QueryRange queries, std::size_t worker) {
  const auto& kernels = executor_.kernels();
  const Matrix maxima = part.maxima.block(queries.first, queries.count);
  if (part.rows == 0) {  // no block came by
    kernels.rows.fill(loss_.binary ? 0 : std::numeric_limits<float>::lowest(), maxima);
    kernels.rows.fill(0, part.sums.block(queries.first, queries.count));
  }
  if (loss_.binary) return;
  kernels.softmax.exponentials(maxima, part.tiles, part.part_maxima.block(queries.first, queries.count),
                               {scratch_[worker].sums.data, queries.count, 1, 1});
}

// ---- statistics and weights

template <Space kSpace>
void CandidateScores<kSpace>::statistics(PartRange node, Vector<Statistic> out) {
  executor_.for_blocks(batch_, query_block(), [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    node_statistics(node, 0, {first, count}, out.subspan(first, count));
  });
}

template <Space kSpace>
void CandidateScores<kSpace>::node_statistics(PartRange node, std::size_t level, QueryRange queries,
                                              Vector<Statistic> out) {
  const auto& statistics_of = executor_.kernels().statistics;
  if (node.size() == 1) {
    const Part& part = parts_[node.first - first_part_];
    const Matrix maxima = part.maxima.block(queries.first, queries.count);
    const Matrix sums = part.sums.block(queries.first, queries.count);
    if (loss_.binary) return statistics_of.of_part(maxima, sums, out);
    return statistics_of.of_part(maxima, sums, {part.part_maxima.row(queries.first), queries.count}, part.shift, out);
  }
  const std::uint32_t middle = exchange::split_point(node);
  const auto right = level_statistics_.span().subspan(level * capacity_ + queries.first, queries.count);
  node_statistics({node.first, middle}, level + 1, queries, out);
  node_statistics({middle, node.end}, level + 1, queries, right);
  if (loss_.binary)
    statistics_of.add(right, out);
  else
    statistics_of.merge(right, out);
}

template <Space kSpace>
void CandidateScores<kSpace>::weigh(const Lists& lists, Vector<const Statistic> all, float scale, std::uint64_t step,
                                    Vector<kernels::LossSum> losses) {
  executor_.for_blocks(batch_, query_block(), [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    weigh_queries(lists, all, scale, {first, count});
  });
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    Part& part = parts_[p];
    if (part.block >= part.rows && loss_.keep_scores)
      part.weights = executor_.kernels().gradients.pack(
          kernels::BasicTiledWeights<kSpace>{value_memory(part, {0, part.rows, 0}, batch_),
                                             part.factors.columns(0, batch_), kTileRows},
          part.packed_weights);
    executor_.kernels().statistics.add_losses(terms_.span().subspan(lists.sides[p].query_begin, lists.sides[p].queries),
                                              step, losses.subspan(p, 1));
  }
}

template <Space kSpace>
void CandidateScores<kSpace>::weigh_queries(const Lists& lists, Vector<const Statistic> all, float scale,
                                            QueryRange queries) {
  const auto& kernels = executor_.kernels();
  const auto terms = terms_.span().subspan(queries.first, queries.count);
  const auto statistics = all.subspan(queries.first, queries.count);
  const auto first_target = lists.first_target.subspan(queries.first, queries.count + 1);
  const auto target_weights = target_weights_.span().subspan(0, lists.targets);
  if (loss_.binary)
    kernels.statistics.terms(loss_.binary_over(entities_, scale), statistics,
                             {target_scores(lists), first_target, target_weights}, terms);
  else
    kernels.statistics.terms(loss_.softmax(scale), statistics,
                             {target_scores(lists), first_target, target_weights, lists.times}, terms);
  for (const Part& part : parts_) {
    const Matrix factors = part.factors.columns(queries.first, queries.count);
    if (loss_.binary)
      kernels.rows.fill(scale, factors);
    else
      kernels.statistics.factors(part.maxima.block(queries.first, queries.count),
                                 {part.part_maxima.row(queries.first), queries.count}, part.shift, terms, factors);
  }
}

// Kept, or computed again to the same bits.
template <Space kSpace>
kernels::BasicTiledWeights<kSpace> CandidateScores<kSpace>::weights(std::size_t p, const Block& block,
                                                                    QueryRange queries, const Lists& lists) const {
  const Part& part = parts_[p];
  if (loss_.keep_scores && block.count == part.rows && queries.count == batch_) return part.weights;
  Matrix values = value_memory(part, block, loss_.keep_scores ? batch_ : queries.count);
  if (loss_.keep_scores) {
    values = values.block(queries.first, queries.count);
  } else {
    const Scratch& scratch = scratch_[block.worker];
    const std::size_t tiles = tiles_of(block.count);
    make_scores(p, block, queries, lists, values);
    to_values(values, {scratch.maxima.data, queries.count, tiles, tiles},
              {scratch.sums.data, queries.count, tiles, tiles});
  }
  const Matrix factors = part.factors.block(block.first / kTileRows, tiles_of(block.count));
  return {values, factors.columns(queries.first, queries.count), kTileRows};
}

template class CandidateScores<Space::kHost>;
template class CandidateScores<Space::kDevice>;

}  // namespace tessera::train
