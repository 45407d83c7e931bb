// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/queries/relation_prediction.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <limits>

namespace tessera::train {

using execution::Space;
using execution::vector_of;
using kernels::Similarity;
using memory::Tag;

namespace {

constexpr std::size_t kBlockTargets = 64;
constexpr std::size_t kBlockRelations = 64;

}  // namespace

template <Space kSpace>
RelationPrediction<kSpace>::RelationPrediction(const StepSetup<kSpace>& setup, const StepSizes& sizes)
    : executor_(setup.executor),
      memory_(setup.memory),
      tables_(setup.tables),
      scorer_(setup.parameters.scorer()),
      operator_dim_(sizes.operator_dim),
      relation_count_(sizes.relations),
      slots_(std::min<std::uint64_t>(sizes.targets, kRoundTargets)) {
  if (!scorer_.is_linear_in_relation())
    fail(ExitStatus::kUsage, "relation_prediction does not fit model '{}', whose score is not linear in the relation",
         scorer_.name());
  const std::size_t parts = sizes.own.size();
  contexts_ = memory_.allocate(Tag::kBatch, parts * slots_, operator_dim_);
  weights_ = memory_.allocate_padded(Tag::kLogits, parts * slots_, relation_count_);
  losses_ = memory_.allocate(Tag::kLogits, 1, sizes.targets);
  source_gradients_ = memory_.allocate(Tag::kGradients, sizes.targets, sizes.dim);
  target_gradients_ = memory_.allocate(Tag::kGradients, sizes.targets, sizes.dim);
  relation_gradients_ = memory_.allocate(Tag::kGradients, parts * relation_count_, sizes.gradient_dim);
  const std::size_t block = executor_.block_rows(slots_, kBlockTargets);
  for (std::size_t worker = 0; worker < executor_.workers(); ++worker)
    scratch_.push_back(
        {memory_.allocate(Tag::kBatch, block, sizes.dim), memory_.allocate(Tag::kBatch, block, sizes.dim),
         memory_.allocate(Tag::kGradients, block, operator_dim_), memory_.allocate(Tag::kLogits, 1, block),
         memory_.allocate(Tag::kLogits, 1, block),
         memory_.allocate(Tag::kGradients, executor_.block_rows(relation_count_, kBlockRelations), operator_dim_)});
}

template <Space kSpace>
void RelationPrediction<kSpace>::compute(const StepLists<kSpace>& lists, const Step& step,
                                         kernels::Vector<kSpace, kernels::LossSum> losses) {
  std::size_t most = 0;
  for (const PartLists<kSpace>& part : lists.parts) most = std::max(most, part.targets.count);
  std::size_t first = 0;
  do compute_round(lists, first, step);  // at least once: relation gradients of no targets are zeros
  while ((first += kRoundTargets) < most);
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const TargetLists<kSpace>& targets = lists.parts[p].targets;
    executor_.kernels().statistics.add_losses(static_cast<double>(step.weight),
                                              vector_of(losses_.columns(targets.first, targets.count), targets.count),
                                              step.number, losses.subspan(p, 1));
  }
}

// Targets first .. first + kRoundTargets - 1 of every part.
template <Space kSpace>
void RelationPrediction<kSpace>::compute_round(const StepLists<kSpace>& lists, std::size_t first, const Step& step) {
  const auto count = [&](std::size_t p) {
    const std::size_t targets = lists.parts[p].targets.count;
    return std::min(kRoundTargets, targets - std::min(first, targets));
  };
  executor_.for_part_blocks(lists.parts.size(), count, kBlockTargets,
                            [&](std::size_t p, std::size_t at, std::size_t size, std::size_t worker) {
                              compute_targets(p, lists.parts[p].targets, first, {at, size, worker}, step);
                            });
  executor_.for_part_blocks(
      lists.parts.size(), [&](std::size_t p) { return first == 0 || count(p) > 0 ? relation_count_ : 0; },
      kBlockRelations,
      [&](std::size_t p, std::size_t at, std::size_t size, std::size_t worker) {
        add_relation_gradients(p, count(p), first == 0, {at, size, worker});
      });
}

template <Space kSpace>
void RelationPrediction<kSpace>::compute_targets(std::size_t p, const TargetLists<kSpace>& list,
                                                 std::size_t round_first, const Block& block, const Step& step) {
  const auto& kernels = executor_.kernels();
  const kernels::Formula formula = scorer_.formula();
  const Scratch& scratch = scratch_[block.worker];
  const std::size_t count = block.count;
  const std::size_t first = round_first + block.first;
  const auto each = memory_.counting(count);
  const auto relations = list.relation.subspan(first, count);
  const Matrix sources = scratch.sources.block(0, count);
  const Matrix targets = scratch.targets.block(0, count);
  const Matrix contexts = contexts_.block(p * slots_ + block.first, count);
  const Matrix weights = weights_.block(p * slots_ + block.first, count);
  const auto scores = vector_of(scratch.scores, count);
  const auto target_weights = vector_of(scratch.target_weights, count);
  const kernels::BasicCells<kSpace> right{each, relations};

  kernels.rows.gather(step.sources, list.query.subspan(first, count), sources);
  kernels.rows.gather(tables_.part(p).rows, list.row.subspan(first, count), targets);
  kernels.composition.operator_gradients(formula, {sources, targets, memory_.one_by_one(count)}, step.operators,
                                         relations, contexts);
  kernels.scores.all_pairs(Similarity::kDot, ConstMatrix(contexts), step.operators, weights);
  kernels.targets.read(weights, right, each, scores);
  kernels.targets.fill(-std::numeric_limits<float>::infinity(), {each, each, memory_.counting(count, 1), relations},
                       weights);
  kernels.softmax.cross_entropy(weights,
                                {scores,
                                 vector_of(losses_.columns(list.first + first, count), count),
                                 target_weights,
                                 {},
                                 list.times.empty() ? list.times : list.times.subspan(first, count)},
                                0, step.weight * step.scale);
  kernels.targets.write(target_weights, right, weights);

  const Matrix mixed = scratch.mixed.block(0, count);
  kernels.gradients.to_queries(weights, step.operators, mixed);
  kernels.composition.backward(formula, mixed, each, targets, source_gradients_.block(list.first + first, count));
  kernels.composition.compose(formula, sources, mixed, each, target_gradients_.block(list.first + first, count));
}

template <Space kSpace>
void RelationPrediction<kSpace>::add_relation_gradients(std::size_t p, std::size_t targets, bool is_first,
                                                        const Block& relations) {
  const auto& kernels = executor_.kernels();
  const ConstMatrix contexts = contexts_.block(p * slots_, targets);
  const ConstMatrix weights = weights_.block(p * slots_, targets).columns(relations.first, relations.count);
  const Matrix all = relation_gradients_.block(p * relation_count_ + relations.first, relations.count);
  const Matrix out = all.columns(0, operator_dim_);
  if (is_first) {
    kernels.gradients.to_rows(weights, contexts, out);
    if (all.cols > operator_dim_) kernels.rows.fill(0, all.columns(operator_dim_, all.cols - operator_dim_));
    return;
  }
  const Matrix added = scratch_[relations.worker].added.block(0, relations.count);
  const auto each = memory_.counting(relations.count);
  kernels.gradients.to_rows(weights, contexts, added);
  kernels.rows.add(added, each, each, out);
}

template class RelationPrediction<Space::kHost>;
template class RelationPrediction<Space::kDevice>;

}  // namespace tessera::train
