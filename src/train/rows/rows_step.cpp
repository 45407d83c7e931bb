// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rows/rows_step.hpp"

#include "kernels/similarity_gradients.hpp"

#include <algorithm>
#include <limits>

namespace tessera::train {

using execution::Space;
using kernels::Similarity;
using memory::Tag;

namespace {

constexpr std::size_t kBlockNegatives = 128;
constexpr std::size_t kBlockRows = 256;

}  // namespace

template <Space kSpace>
RowsStep<kSpace>::RowsStep(const Setup& setup, const RowsObjective& objective, const RowsSizes& sizes)
    : executor_(setup.step.executor),
      memory_(setup.step.memory),
      tables_(setup.step.tables),
      sides_(setup.sides),
      returns_(setup.returns),
      demand_(setup.demand),
      scorer_(setup.step.parameters.scorer()),
      objective_(objective),
      dim_(sizes.dim),
      side_parts_(sizes.own.size()) {
  allocate(sizes);
}

template <Space kSpace>
void RowsStep<kSpace>::allocate(const RowsSizes& sizes) {
  const auto vector = [&](std::size_t count) {
    return execution::vector_of<kSpace>(memory_.allocate(Tag::kLogits, 1, count), count);
  };
  std::size_t most_rows = 0;
  for (std::size_t p = 0; p < sizes.own.size(); ++p) {
    const std::size_t n = sizes.own[p];
    Part part;
    part.sources = memory_.allocate(Tag::kBatch, n, dim_);
    part.queries = memory_.allocate(Tag::kBatch, n, dim_);
    part.query_gradients = memory_.allocate(Tag::kGradients, n, dim_);
    part.negatives = memory_.allocate(Tag::kNegatives, sizes.negatives, dim_);
    part.weights = memory_.allocate_padded(Tag::kLogits, n, sizes.negatives);
    part.gradients = memory_.allocate(Tag::kGradients, sizes.occurrences(p), dim_);
    part.losses = vector(n);
    parts_.push_back(part);
    most_rows = std::max<std::size_t>(
        most_rows, std::min<std::uint64_t>(demand_.totals().arriving_at[p], tables_.part(p).rows.rows));
  }
  const std::size_t block = executor_.block_rows(sizes.largest_own(), sides_.block_queries());
  for (std::size_t worker = 0; worker < executor_.workers(); ++worker) {
    Scratch scratch;
    scratch.targets = memory_.allocate(Tag::kBatch, block, dim_);
    if (scorer_.similarity() == Similarity::kNegativeL2)
      scratch.scores = memory_.allocate(Tag::kLogits, block, sizes.negatives);
    scratch.of_targets = vector(block);
    scratch.weights = vector(block);
    scratch.sums = memory_.allocate(Tag::kGradients, executor_.block_rows(most_rows, kBlockRows), dim_);
    scratch_.push_back(scratch);
  }
  leaves_ = memory_.allocate(Tag::kGradients, sizes.own_distinct_relations(), sizes.gradient_dim);
}

template <Space kSpace>
std::uint64_t RowsStep<kSpace>::longest_list(const RowsSizes& sizes) {
  return std::max<std::uint64_t>(sizes.largest_own(), sizes.negatives);
}

template <Space kSpace>
Penalty RowsStep<kSpace>::penalty(const Lists& lists) const {
  return {objective_.regulariser, 1.0F / static_cast<float>(lists.queries)};
}

// ---- gradients by use of a row

template <Space kSpace>
void RowsStep<kSpace>::compute_queries(const Lists& lists, std::uint64_t step, Vector<kernels::LossSum> losses) {
  sides_.make_operators(lists.sides);
  gather_negatives(lists);
  executor_.for_part_blocks(
      parts_.size(), [&](std::size_t p) { return lists.sides[p].queries; }, sides_.block_queries(),
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        query_block(lists, p, {first, count, worker});
      });
  for (std::size_t p = 0; p < parts_.size(); ++p)
    executor_.kernels().statistics.add_each_loss(parts_[p].losses.subspan(0, lists.sides[p].queries), step,
                                                 losses.subspan(p, 1));
}

template <Space kSpace>
void RowsStep<kSpace>::gather_negatives(const Lists& lists) {
  executor_.for_part_blocks(
      parts_.size(), [&](std::size_t p) { return parts_[p].negatives.rows; }, kBlockNegatives,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t /*worker*/) {
        executor_.kernels().rows.gather(tables_.part(p).with_halo, lists.parts[p].negatives.subspan(first, count),
                                        parts_[p].negatives.block(first, count));
      });
}

template <Space kSpace>
void RowsStep<kSpace>::query_block(const Lists& lists, std::size_t p, const Block& block) {
  const auto& kernels = executor_.kernels();
  const sampling::QueryLists<kSpace>& side = lists.sides[p];
  const Part& part = parts_[p];
  const kernels::BasicConstStoredRows<kSpace> table = tables_.part(p).with_halo;
  const Matrix targets = scratch_[block.worker].targets.block(0, block.count);
  const Matrix queries = part.queries.block(block.first, block.count);
  const Matrix gradients = part.query_gradients.block(block.first, block.count);
  sides_.compose(side, table, block, part.sources.block(block.first, block.count), queries);
  kernels.rows.gather(table, lists.parts[p].targets.subspan(block.first, block.count), targets);
  weigh(lists, p, block, targets);
  query_gradients(lists, p, block, targets);
  sides_.penalise_queries(side, block, penalty(lists), queries, gradients);
  sides_.source_gradients(side, table, block, penalty(lists),
                          {gradients, {}, part.gradients.block(block.first, block.count)});
  const auto each = memory_.counting(block.count);
  penalise<kSpace>(kernels, penalty(lists).entities(scorer_),
                   {targets, each, side.answers.subspan(block.first, block.count)},
                   part.gradients.block(side.queries + block.first, block.count), each);
}

// Scores and losses, and the weights of scores in the gradients.
template <Space kSpace>
void RowsStep<kSpace>::weigh(const Lists& lists, std::size_t p, const Block& block, ConstMatrix targets) {
  const auto& kernels = executor_.kernels();
  const RowsPartLists<kSpace>& of = lists.parts[p];
  const Part& part = parts_[p];
  const Scratch& scratch = scratch_[block.worker];
  const ConstMatrix queries = part.queries.block(block.first, block.count);
  const Matrix weights = part.weights.block(block.first, block.count);
  const Similarity similarity = scorer_.similarity();
  const auto each = memory_.counting(block.count);
  const auto of_targets = scratch.of_targets.subspan(0, block.count);
  kernels.scores.pairs(similarity, queries, targets, of_targets);
  kernels.scores.all_pairs(similarity, queries, ConstMatrix(part.negatives), weights);
  const bool needs_scores = similarity == Similarity::kNegativeL2;
  if (needs_scores) kernels.rows.gather(weights, each, scratch.scores.block(0, block.count));
  const bool has_priors = of.negative_priors.size() > 0;
  if (has_priors) kernels.softmax.add_to_columns(of.negative_priors, weights);
  kernels.targets.fill(-std::numeric_limits<float>::infinity(),
                       {each, of.masked_first.subspan(block.first, block.count),
                        of.masked_end.subspan(block.first, block.count), of.masked_columns},
                       weights);
  objective_.loss.template apply<kSpace>(
      kernels, weights, penalty(lists).scale,
      {of_targets, part.losses.subspan(block.first, block.count), scratch.weights.subspan(0, block.count),
       has_priors ? of.target_priors.subspan(block.first, block.count) : of.target_priors,
       of.times.empty() ? of.times : of.times.subspan(block.first, block.count)});
  if (needs_scores) kernels.distances.to_coefficients(scratch.scores.block(0, block.count), weights);
}

// Gradients of query vectors and targets.
template <Space kSpace>
void RowsStep<kSpace>::query_gradients(const Lists& lists, std::size_t p, const Block& block, ConstMatrix targets) {
  const Part& part = parts_[p];
  const Scratch& scratch = scratch_[block.worker];
  const ConstMatrix queries = part.queries.block(block.first, block.count);
  const Matrix gradients = part.query_gradients.block(block.first, block.count);
  kernels::gradients_to_queries(executor_.kernels(), scorer_.similarity(),
                                {part.weights.block(block.first, block.count), queries, part.negatives}, gradients);
  executor_.kernels().distances.pairs(
      scorer_.similarity(),
      {scratch.weights.subspan(0, block.count), scratch.of_targets.subspan(0, block.count), queries, targets},
      gradients, part.gradients.block(lists.sides[p].queries + block.first, block.count));
}

template <Space kSpace>
void RowsStep<kSpace>::negative_gradients(const Lists& lists) {
  executor_.for_part_blocks(
      parts_.size(), [&](std::size_t p) { return parts_[p].negatives.rows; }, kBlockNegatives,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t /*worker*/) {
        const Part& part = parts_[p];
        const std::size_t n = lists.sides[p].queries;
        kernels::gradients_to_rows(executor_.kernels(), scorer_.similarity(),
                                   {part.weights.block(0, n).columns(first, count), part.queries.block(0, n),
                                    part.negatives.block(first, count)},
                                   part.gradients.block(2 * n + first, count));
      });
}

// ---- sums

template <Space kSpace>
typename RowsStep<kSpace>::Matrix RowsStep<kSpace>::relation_gradients(const Lists& lists) {
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const sampling::QueryLists<kSpace>& side = lists.sides[p];
    side_parts_[p] = {parts_[p].sources.block(0, side.queries), parts_[p].query_gradients.block(0, side.queries),
                      leaves_.block(side.first_leaf, side.relation_ids.size())};
  }
  sides_.relation_gradients(lists.sides, side_parts_, penalty(lists));
  return leaves_;
}

template <Space kSpace>
void RowsStep<kSpace>::sum_by_row(const Lists& lists) {
  returns_.start(lists.slot);
  executor_.for_part_blocks(
      parts_.size(), [&](std::size_t p) { return demand_.needed(lists.slot, p).entities().size(); }, kBlockRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t /*worker*/) {
        sum_rows(lists, p, first, count);
      });
}

// Sums of distinct rows first .. first + count - 1 of a part. Owners order the rows.
template <Space kSpace>
void RowsStep<kSpace>::sum_rows(const Lists& lists, std::size_t p, std::size_t first, std::size_t count) {
  const exchange::RowRequests& needed = demand_.needed(lists.slot, p);
  const kernels::BasicSegments<kSpace>& by_row = lists.parts[p].by_row;
  const std::size_t uses = by_row.positions.size();
  for (std::uint32_t q = 0; q < demand_.part_count(); ++q) {
    const std::size_t owner_begin = needed.owner_begin(PartId(q));
    const std::size_t begin = std::max(first, owner_begin);
    const std::size_t end = std::min(first + count, owner_begin + needed.count(PartId(q)));
    if (begin >= end) continue;
    executor_.kernels().rows.sum_segments(ConstMatrix(parts_[p].gradients.block(0, uses)),
                                          by_row.offsets.subspan(begin, end - begin + 1), by_row.positions,
                                          returns_.block(p, PartId(q)).block(begin - owner_begin, end - begin));
  }
}

template <Space kSpace>
void RowsStep<kSpace>::update(const Lists& lists, const Optimiser& optimiser) {
  executor_.for_part_blocks(
      parts_.size(), [&](std::size_t p) { return lists.parts[p].arriving_ids.size(); }, kBlockRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        const RowsPartLists<kSpace>& of = lists.parts[p];
        const Matrix sums = scratch_[worker].sums.block(0, count);
        executor_.kernels().rows.sum_segments(ConstMatrix(returns_.arrived(p)),
                                              of.by_arriving.offsets.subspan(first, count + 1),
                                              of.by_arriving.positions, sums);
        optimiser.apply_in<kSpace>(executor_.kernels(), sums, of.arriving_ids.subspan(first, count),
                                   tables_.part(p).rows, tables_.part(p).state);
      });
}

template class RowsStep<Space::kHost>;
template class RowsStep<Space::kDevice>;

}  // namespace tessera::train
