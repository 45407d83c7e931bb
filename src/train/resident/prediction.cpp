// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/prediction.hpp"

#include <limits>

namespace tessera::train {

using kernels::Similarity;
using kernels::Space;
using memory::Tag;

template <Space kSpace>
ResidentPrediction<kSpace>::ResidentPrediction(Resident<kSpace>& in, std::size_t parts, std::uint64_t capacity)
    : in_(in),
      sources_(in.allocate(Tag::kBatch, capacity, in.dim)),
      targets_(in.allocate(Tag::kBatch, capacity, in.dim)),
      contexts_(in.allocate(Tag::kBatch, capacity, in.operator_dim)),
      mixed_(in.allocate(Tag::kGradients, capacity, in.operator_dim)),
      weights_(in.allocate_padded(Tag::kLogits, capacity, in.relation_count)),
      scores_(in.allocate(Tag::kLogits, 1, capacity)),
      target_weights_(in.allocate(Tag::kLogits, 1, capacity)),
      losses_(in.allocate(Tag::kLogits, 1, capacity)),
      source_gradients_(in.allocate(Tag::kGradients, capacity, in.dim)),
      target_gradients_(in.allocate(Tag::kGradients, capacity, in.dim)),
      relation_gradients_(in.allocate(Tag::kGradients, parts * in.relation_count, in.operator_dim)) {}

template <Space kSpace>
void ResidentPrediction<kSpace>::compute(const StepLists<kSpace>& lists, ConstMatrix sources, float scale, float weight,
                                         std::uint64_t step, kernels::Vector<kSpace, kernels::LossSum> losses) {
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    compute_part(p, lists.parts[p], sources, weight * scale);
    in_.kernels.statistics.add_losses(static_cast<double>(weight), in_.vector(losses_, lists.parts[p].targets), step,
                                      losses.subspan(p, 1));
  }
}

template <Space kSpace>
void ResidentPrediction<kSpace>::compute_part(std::size_t p, const PartLists<kSpace>& part, ConstMatrix all_sources,
                                              float scale) {
  const auto& kernels = in_.kernels;
  const kernels::Formula formula = in_.scorer.formula();
  const ConstMatrix operators = in_.tables.relations().rows;
  const std::size_t count = part.targets;
  const auto each = in_.counting(count);
  const Matrix sources = in_.first(sources_, count);
  const Matrix targets = in_.first(targets_, count);
  const Matrix contexts = in_.first(contexts_, count);
  const Matrix weights = in_.first(weights_, count);
  const auto scores = in_.vector(scores_, count);
  const auto target_weights = in_.vector(target_weights_, count);
  const kernels::BasicCells<kSpace> right{each, part.target_relation};

  kernels.rows.gather(all_sources, part.target_query, sources);
  kernels.rows.gather(in_.tables.part(p).rows, part.target_row, targets);
  kernels.composition.operator_gradients(formula, sources, operators, part.target_relation, targets,
                                         in_.one_by_one(count), contexts);
  kernels.scores.all_pairs(Similarity::kDot, contexts, operators, weights);
  kernels.targets.read(weights, right, each, scores);
  kernels.targets.fill(-std::numeric_limits<float>::infinity(),
                       {each, each, in_.counting(count, 1), part.target_relation}, weights);
  kernels.softmax.cross_entropy(weights, scores, 0, scale, in_.vector(losses_, count), target_weights);
  kernels.targets.write(target_weights, right, weights);

  const Matrix mixed = in_.first(mixed_, count);
  kernels.gradients.to_queries(weights, operators, mixed);
  kernels.composition.backward(formula, mixed, each, targets, source_gradients_.block(part.first_target, count));
  kernels.composition.compose(formula, sources, mixed, each, target_gradients_.block(part.first_target, count));
  kernels.gradients.to_rows(weights, contexts, relation_gradients_.block(p * in_.relation_count, in_.relation_count));
}

template class ResidentPrediction<Space::kHost>;
template class ResidentPrediction<Space::kDevice>;

}  // namespace tessera::train
