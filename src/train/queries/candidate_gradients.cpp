// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/queries/candidate_gradients.hpp"

#include <algorithm>
#include <bit>

namespace tessera::train {

using exchange::PartRange;
using execution::Space;
using memory::Tag;

template <Space kSpace>
CandidateGradients<kSpace>::CandidateGradients(const StepSetup<kSpace>& setup, const CandidateScores<kSpace>& scores,
                                               const CandidateLoss& loss, const StepSizes& sizes)
    : executor_(setup.executor),
      memory_(setup.memory),
      tables_(setup.tables),
      scorer_(setup.parameters.scorer()),
      scores_(scores),
      is_exact_(loss.exact),
      first_part_(setup.shard.parts.front().id().value()),
      dim_(sizes.dim),
      width_(sizes.width()) {
  for (std::size_t worker = 0; worker < executor_.workers(); ++worker) scratch_.push_back(make_scratch(sizes));
  if (is_exact_) {
    source_gradients_ = memory_.allocate(Tag::kGradients, sizes.own_queries(), dim_);
    return;
  }
  std::size_t occurrences = sizes.targets;
  for (const PartSizes& part : sizes.own) occurrences += part.batch.candidates + part.batch.queries;
  occurrences_ = memory_.allocate(Tag::kGradients, occurrences, dim_);
}

template <Space kSpace>
typename CandidateGradients<kSpace>::Scratch CandidateGradients<kSpace>::make_scratch(const StepSizes& sizes) {
  std::size_t gradients = 0;
  std::size_t sums = 0;
  for (std::size_t p = 0; p < sizes.own.size(); ++p) {
    const sampling::BatchSizes& batch = sizes.own[p].batch;
    const std::size_t rows = sizes.own[p].rows;
    const std::size_t touched = is_exact_ ? batch.queries : batch.candidates + sizes.targets + batch.queries;
    if (is_exact_) gradients = std::max(gradients, scores_.block_rows(p));
    sums = std::max(sums, executor_.block_rows(std::min(rows, touched), kTileRows));
  }
  const std::size_t queries = executor_.block_rows(sizes.queries, kMostBlockQueries);
  const auto levels = static_cast<std::size_t>(std::bit_width(sizes.own.size() - 1));
  Scratch scratch;
  scratch.gradients = memory_.allocate(Tag::kGradients, gradients, dim_);
  scratch.row_sums = memory_.allocate(Tag::kGradients, sums, dim_);
  if constexpr (kSpace == Space::kHost) scratch.product = memory_.allocate(Tag::kGradients, queries, dim_);
  for (std::size_t level = 0; level < levels; ++level)
    scratch.subtrees.push_back(memory_.allocate(Tag::kGradients, queries, width_));
  return scratch;
}

// ---- gradients of queries

template <Space kSpace>
void CandidateGradients<kSpace>::query_gradients(PartRange node, const Lists& lists, const Prediction* prediction,
                                                 Matrix out) {
  executor_.for_blocks(scores_.query_count(), scores_.query_block(),
                       [&](std::size_t first, std::size_t count, std::size_t worker) {
                         node_gradients(node, {lists, prediction, {first, count, worker}}, 0, out.block(first, count));
                       });
}

template <Space kSpace>
void CandidateGradients<kSpace>::node_gradients(PartRange node, const Terms& of, std::size_t level, Matrix out) const {
  if (node.size() == 1) return part_gradients(node.first - first_part_, of, out);
  const std::uint32_t middle = exchange::split_point(node);
  const Matrix right = scratch_[of.queries.worker].subtrees[level].block(0, of.queries.count);
  node_gradients({node.first, middle}, of, level + 1, out);
  node_gradients({middle, node.end}, of, level + 1, right);
  const auto each = memory_.counting(of.queries.count);
  executor_.kernels().rows.add(right, each, each, out);
}

// Tiles in order, then the targets that are rows of the part. With relation prediction the second half of a row is the
// gradient of the source.
template <Space kSpace>
void CandidateGradients<kSpace>::part_gradients(std::size_t p, const Terms& of, Matrix out) const {
  const auto& [lists, prediction, queries] = of;
  const auto& kernels = executor_.kernels();
  const TargetLists<kSpace>& targets = lists.parts[p].targets;
  const std::size_t rows = scores_.candidate_count(p);
  const Matrix of_queries = out.columns(0, dim_);
  Matrix product = scratch_[queries.worker].product;
  if (product.rows > 0) product = product.block(0, queries.count);
  kernels.rows.fill(0, of_queries);
  for (std::size_t first = 0; first < rows; first += scores_.block_rows(p)) {
    const Block block{first, std::min(scores_.block_rows(p), rows - first), queries.worker};
    kernels.gradients.add_to_queries_tiled(scores_.weights(p, block, {queries.first, queries.count}, lists),
                                           scores_.candidates(p, block), product, of_queries);
  }
  const auto by_query =
      memory_.in_order(targets.query_offsets.subspan(queries.first, queries.count + 1), targets.count);
  kernels.targets.add_weighted({scores_.target_weights(lists), targets.entry, tables_.part(p).rows, targets.row, {}},
                               by_query, of_queries, memory_.counting(queries.count));
  if (prediction != nullptr)
    kernels.rows.sum_segments(prediction->source_gradients(targets), by_query.offsets, by_query.positions,
                              out.columns(dim_, dim_));
}

// ---- gradients of candidates, updates

// The memory for gradients of candidates, targets and sources.
template <Space kSpace>
typename CandidateGradients<kSpace>::Matrix CandidateGradients<kSpace>::occurrences(std::size_t p,
                                                                                    const Lists& lists) const {
  return occurrences_.block(lists.parts[p].sampled.first_occurrence,
                            scores_.candidate_count(p) + lists.parts[p].targets.count + lists.sides[p].queries);
}

template <Space kSpace>
typename CandidateGradients<kSpace>::Matrix CandidateGradients<kSpace>::source_gradients(std::size_t p,
                                                                                         const Lists& lists) const {
  const sampling::QueryLists<kSpace>& side = lists.sides[p];
  if (is_exact_) return source_gradients_.block(side.own_begin, side.queries);
  return occurrences(p, lists).block(scores_.candidate_count(p) + lists.parts[p].targets.count, side.queries);
}

// Targets add the queries to their rows by weight, and after each query the gradient from relation prediction.
template <Space kSpace>
kernels::BasicWeightedRows<kSpace> CandidateGradients<kSpace>::weighted_queries(const Update& update,
                                                                                std::size_t p) const {
  const TargetLists<kSpace>& targets = update.lists.parts[p].targets;
  return {scores_.target_weights(update.lists), targets.entry, scores_.queries().matrix, targets.query,
          update.prediction != nullptr ? update.prediction->target_gradients(targets) : ConstMatrix{}};
}

template <Space kSpace>
void CandidateGradients<kSpace>::update(const Lists& lists, const Prediction* prediction, const Penalty& penalty,
                                        const Optimiser& optimiser) {
  const Update update{lists, prediction, penalty, optimiser};
  if (!is_exact_) return update_sampled(update);
  executor_.for_part_blocks(
      lists.parts.size(), [&](std::size_t p) { return scores_.candidate_count(p); }, kTileRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        update_block(p, {first, count, worker}, update);
      });
}

template <Space kSpace>
void CandidateGradients<kSpace>::update_block(std::size_t p, const Block& block, const Update& update) {
  const auto& kernels = executor_.kernels();
  const TargetLists<kSpace>& targets = update.lists.parts[p].targets;
  const auto& table = tables_.part(p);
  const Penalty& penalty = update.penalty;
  const Matrix gradients = scratch_[block.worker].gradients.block(0, block.count);
  kernels.gradients.to_rows_tiled(scores_.weights(p, block, {0, scores_.query_count()}, update.lists),
                                  scores_.queries(), gradients);
  const ListRange ids = ids_in<kSpace>(targets.ids, block.first, block.count, scores_.candidate_count(p));
  const auto slots = targets.slots.subspan(ids.first, ids.size());
  kernels.targets.add_weighted(weighted_queries(update, p), segments_in(targets.by_row, ids), gradients, slots);
  penalise<kSpace>(
      kernels, penalty.entities(scorer_),
      {table.rows, targets.ids.subspan(ids.first, ids.size()), targets.counts.subspan(ids.first, ids.size())},
      gradients, slots);
  add_sources(p, block, update.lists, gradients);
  update.optimiser.template apply_in<kSpace>(kernels, gradients, memory_.counting(block.count, block.first), table.rows,
                                             table.state);
}

template <Space kSpace>
void CandidateGradients<kSpace>::add_sources(std::size_t p, const Block& block, const Lists& lists, Matrix gradients) {
  const auto& rows = executor_.kernels().rows;
  const sampling::QueryLists<kSpace>& side = lists.sides[p];
  const ListRange sources = ids_in<kSpace>(side.source_ids, block.first, block.count, scores_.candidate_count(p));
  const Matrix sums = scratch_[block.worker].row_sums.block(0, sources.size());
  const auto by_source = segments_in(side.by_source, sources);
  rows.sum_segments(source_gradients(p, lists), by_source.offsets, by_source.positions, sums);
  rows.add(sums, memory_.counting(sums.rows), lists.parts[p].source_slots.subspan(sources.first, sources.size()),
           gradients);
}

// Gradients by occurrence, then their sums by row.
template <Space kSpace>
void CandidateGradients<kSpace>::update_sampled(const Update& update) {
  const Lists& lists = update.lists;
  executor_.for_part_blocks(
      lists.parts.size(), [&](std::size_t p) { return scores_.candidate_count(p); }, kTileRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        executor_.kernels().gradients.to_rows_tiled(
            scores_.weights(p, {first, count, worker}, {0, scores_.query_count()}, lists), scores_.queries(),
            occurrences(p, lists).block(first, count));
      });
  executor_.for_part_blocks(
      lists.parts.size(), [&](std::size_t p) { return lists.parts[p].targets.count; }, kTileRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t /*worker*/) {
        add_targets(p, {first, first + count}, update,
                    occurrences(p, lists).block(scores_.candidate_count(p) + first, count));
      });
  executor_.for_part_blocks(
      lists.parts.size(), [&](std::size_t p) { return lists.parts[p].sampled.occurrence_ids.size(); }, kTileRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        sum_occurrences(p, {first, count, worker}, update);
      });
}

template <Space kSpace>
void CandidateGradients<kSpace>::add_targets(std::size_t p, ListRange of, const Update& update, Matrix out) const {
  const auto& kernels = executor_.kernels();
  const Penalty& penalty = update.penalty;
  const auto each = memory_.counting(of.size());
  kernels.rows.fill(0, out);
  kernels.targets.add_weighted(weighted_queries(update, p), memory_.one_by_one(of.size(), of.first), out, each);
  const TargetLists<kSpace>& targets = update.lists.parts[p].targets;
  const auto times = targets.times.empty() ? memory_.ones(of.size()) : targets.times.subspan(of.first, of.size());
  penalise<kSpace>(kernels, penalty.entities(scorer_),
                   {tables_.part(p).rows, targets.row.subspan(of.first, of.size()), times}, out, each);
}

template <Space kSpace>
void CandidateGradients<kSpace>::sum_occurrences(std::size_t p, const Block& block, const Update& update) {
  const auto& kernels = executor_.kernels();
  const SampledLists<kSpace>& list = update.lists.parts[p].sampled;
  const auto& table = tables_.part(p);
  const Matrix sums = scratch_[block.worker].row_sums.block(0, block.count);
  const auto segments = segments_in(list.by_occurrence, {block.first, block.first + block.count});
  kernels.rows.sum_segments(occurrences(p, update.lists), segments.offsets, segments.positions, sums);
  update.optimiser.template apply_in<kSpace>(kernels, sums, list.occurrence_ids.subspan(block.first, block.count),
                                             table.rows, table.state);
}

template class CandidateGradients<Space::kHost>;
template class CandidateGradients<Space::kDevice>;

}  // namespace tessera::train
