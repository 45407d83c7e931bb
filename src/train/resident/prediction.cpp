// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/prediction.hpp"

#include "train/relation_prediction.hpp"

#include <algorithm>
#include <limits>

namespace tessera::train {

using kernels::Similarity;
using kernels::Space;
using memory::Tag;

template <Space kSpace>
ResidentPrediction<kSpace>::ResidentPrediction(Resident<kSpace>& in, std::size_t parts, std::uint64_t capacity)
    : in_(in),
      round_(std::min<std::uint64_t>(capacity, RelationPrediction::kRoundTriples)),
      sources_(in.allocate(Tag::kBatch, round_, in.dim)),
      targets_(in.allocate(Tag::kBatch, round_, in.dim)),
      contexts_(in.allocate(Tag::kBatch, round_, in.operator_dim)),
      mixed_(in.allocate(Tag::kGradients, round_, in.operator_dim)),
      weights_(in.allocate_padded(Tag::kLogits, round_, in.relation_count)),
      added_(in.allocate(Tag::kGradients, in.relation_count, in.operator_dim)),
      scores_(in.allocate(Tag::kLogits, 1, round_)),
      target_weights_(in.allocate(Tag::kLogits, 1, round_)),
      losses_(in.allocate(Tag::kLogits, 1, capacity)),
      source_gradients_(in.allocate(Tag::kGradients, capacity, in.dim)),
      target_gradients_(in.allocate(Tag::kGradients, capacity, in.dim)),
      relation_gradients_(in.allocate(Tag::kGradients, parts * in.relation_count, in.gradient_dim)) {}

template <Space kSpace>
void ResidentPrediction<kSpace>::compute(const StepLists<kSpace>& lists, ConstMatrix sources, ConstMatrix operators,
                                         float scale, float weight, std::uint64_t step,
                                         kernels::Vector<kSpace, kernels::LossSum> losses) {
  all_sources_ = sources;
  operators_ = operators;
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const PartLists<kSpace>& part = lists.parts[p];
    std::size_t first = 0;
    do {  // at least once: relation gradients of no targets are zeros
      compute_round(p, part, first, std::min(round_, part.targets - first), weight * scale);
      first += round_;
    } while (first < part.targets);
    in_.kernels.statistics.add_losses(static_cast<double>(weight), in_.vector(losses_, part.targets), step,
                                      losses.subspan(p, 1));
  }
}

template <Space kSpace>
void ResidentPrediction<kSpace>::compute_round(std::size_t p, const PartLists<kSpace>& part, std::size_t first,
                                               std::size_t count, float scale) {
  const auto& kernels = in_.kernels;
  const kernels::Formula formula = in_.scorer.formula();
  const ConstMatrix& operators = operators_;
  const auto each = in_.counting(count);
  const auto relations = part.target_relation.subspan(first, count);
  const Matrix sources = in_.first(sources_, count);
  const Matrix targets = in_.first(targets_, count);
  const Matrix contexts = in_.first(contexts_, count);
  const Matrix weights = in_.first(weights_, count);
  const auto scores = in_.vector(scores_, count);
  const auto target_weights = in_.vector(target_weights_, count);
  const kernels::BasicCells<kSpace> right{each, relations};

  kernels.rows.gather(all_sources_, part.target_query.subspan(first, count), sources);
  kernels.rows.gather(in_.tables.part(p).rows, part.target_row.subspan(first, count), targets);
  kernels.composition.operator_gradients(formula, sources, operators, relations, targets, in_.one_by_one(count),
                                         contexts);
  kernels.scores.all_pairs(Similarity::kDot, contexts, operators, weights);
  kernels.targets.read(weights, right, each, scores);
  kernels.targets.fill(-std::numeric_limits<float>::infinity(), {each, each, in_.counting(count, 1), relations},
                       weights);
  kernels.softmax.cross_entropy(weights, scores, 0, scale, in_.vector(losses_.columns(first, count), count),
                                target_weights);
  kernels.targets.write(target_weights, right, weights);

  const Matrix mixed = in_.first(mixed_, count);
  kernels.gradients.to_queries(weights, operators, mixed);
  kernels.composition.backward(formula, mixed, each, targets,
                               source_gradients_.block(part.first_target + first, count));
  kernels.composition.compose(formula, sources, mixed, each, target_gradients_.block(part.first_target + first, count));
  add_relation_gradients(p, weights, contexts, first == 0);
}

// The first round of a step writes them, the others are added in order.
template <Space kSpace>
void ResidentPrediction<kSpace>::add_relation_gradients(std::size_t p, ConstMatrix weights, ConstMatrix contexts,
                                                        bool is_first) {
  const Matrix gradients = relation_gradients_.block(p * in_.relation_count, in_.relation_count);
  const Matrix out = gradients.columns(0, in_.operator_dim);
  in_.kernels.gradients.to_rows(weights, contexts, is_first ? out : added_);
  const auto each = in_.counting(in_.relation_count);
  if (!is_first) return in_.kernels.rows.add(added_, each, each, out);
  if (in_.gradient_dim > in_.operator_dim)
    in_.kernels.rows.fill(0, gradients.columns(in_.operator_dim, in_.gradient_dim - in_.operator_dim));
}

template class ResidentPrediction<Space::kHost>;
template class ResidentPrediction<Space::kDevice>;

}  // namespace tessera::train
