// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/relation_prediction.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "train/relation_step.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace tessera::train {

using kernels::ConstMatrix;
using kernels::Matrix;
using kernels::Similarity;
using memory::Tag;

RelationPrediction::RelationPrediction(const model::Parameters& parameters, std::size_t parts, std::uint64_t capacity,
                                       std::size_t threads, const kernels::Backend& backend, memory::Pool& pool)
    : parameters_(parameters),
      backend_(backend),
      threads_(threads),
      dim_(parameters.dim()),
      operator_dim_(parameters.operators().cols),
      gradient_dim_(relation_gradient_dim(parameters)),
      relation_count_(parameters.relations().rows),
      begin_(parts + 1),
      triples_(pool.allocate<Triple>(Tag::kBatch, capacity)),
      contexts_(pool.allocate<float>(Tag::kBatch, capacity * operator_dim_)),
      weights_(pool.allocate<float>(Tag::kLogits, capacity * relation_count_)),
      losses_(pool.allocate<float>(Tag::kLogits, capacity)),
      source_gradients_(pool.allocate<float>(Tag::kGradients, capacity * dim_)),
      target_gradients_(pool.allocate<float>(Tag::kGradients, capacity * dim_)),
      relation_gradients_(pool.allocate<float>(Tag::kGradients, parts * relation_count_ * gradient_dim_)),
      identity_(pool.allocate<std::uint32_t>(Tag::kBatch, kTileTriples)) {
  if (!parameters.scorer().is_linear_in_relation())
    fail(ExitStatus::kUsage, "relation_prediction does not fit model '{}', whose score is not linear in the relation",
         parameters.scorer().name());
  std::iota(identity_.data(), identity_.data() + kTileTriples, 0U);
  for (std::size_t t = 0; t < threads; ++t)
    scratch_.push_back(
        {pool.allocate<float>(Tag::kBatch, kTileTriples * dim_), pool.allocate<float>(Tag::kBatch, kTileTriples * dim_),
         pool.allocate<float>(Tag::kGradients, kTileTriples * operator_dim_),
         pool.allocate<float>(Tag::kLogits, kTileTriples), pool.allocate<float>(Tag::kLogits, kTileTriples)});
  const auto cut = [](std::uint64_t count, std::size_t tile) { return (count + tile - 1) / tile; };
  tasks_.reserve(parts + std::max(cut(capacity, kTileTriples), parts * cut(relation_count_, kTileRelations)));
}

void RelationPrediction::start(std::span<const std::size_t> counts) {
  for (std::size_t p = 0; p < counts.size(); ++p) begin_[p + 1] = begin_[p] + counts[p];
  TESSERA_ASSERT(begin_.back() <= triples_.size(), "more triples than relation prediction has room for");
}

Matrix RelationPrediction::relation_gradients(std::size_t part) const {
  return {relation_gradients_.data() + part * relation_count_ * gradient_dim_, relation_count_, gradient_dim_,
          gradient_dim_};
}

void RelationPrediction::compute(float scale, float loss_weight, std::span<double> losses) {
  const std::size_t parts = begin_.size() - 1;
  tasks_.clear();
  for (std::uint32_t p = 0; p < parts; ++p)
    for (std::size_t first = begin_[p]; first < begin_[p + 1]; first += kTileTriples)
      tasks_.emplace_back(p, static_cast<std::uint32_t>(first));
  parallel_for(tasks_.size(), threads_, [&](std::size_t i, std::size_t worker) {
    const auto [part, first] = tasks_[i];
    triple_tile(first, std::min(kTileTriples, begin_[part + 1] - first), scale, scratch_[worker]);
  });
  tasks_.clear();
  for (std::uint32_t p = 0; p < parts; ++p)
    for (std::uint32_t first = 0; first < relation_count_; first += kTileRelations) tasks_.emplace_back(p, first);
  parallel_for(tasks_.size(), threads_, [&](std::size_t i) {
    const auto [part, first] = tasks_[i];
    const std::size_t count = std::min(kTileRelations, relation_count_ - first);
    const std::size_t triples = begin_[part + 1] - begin_[part];
    const Matrix gradients = relation_gradients(part).block(first, count);
    backend_.gradients.to_rows(
        {weights_.data() + begin_[part] * relation_count_ + first, triples, count, relation_count_},
        {contexts_.data() + begin_[part] * operator_dim_, triples, operator_dim_, operator_dim_},
        gradients.columns(0, operator_dim_));
    for (std::size_t r = 0; r < count; ++r)
      std::fill_n(gradients.row(r) + operator_dim_, gradient_dim_ - operator_dim_, 0.0F);
  });
  for (std::size_t p = 0; p < parts; ++p)
    for (std::size_t i = begin_[p]; i < begin_[p + 1]; ++i)
      losses[p] += static_cast<double>(loss_weight) * static_cast<double>(losses_[i]);
}

void RelationPrediction::triple_tile(std::size_t first, std::size_t count, float scale, Scratch& scratch) {
  const model::Scorer& scorer = parameters_.scorer();
  const ConstMatrix table = parameters_.operators();
  const Matrix sources{scratch.sources.data(), count, dim_, dim_};
  const Matrix targets{scratch.targets.data(), count, dim_, dim_};
  const Matrix contexts{contexts_.data() + first * operator_dim_, count, operator_dim_, operator_dim_};
  std::fill_n(contexts.data, count * operator_dim_, 0.0F);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Triple& triple = triples_[first + i];
    std::copy_n(triple.source, dim_, sources.row(i));
    std::copy_n(triple.target, dim_, targets.row(i));
    scorer.add_operator_gradients(sources, table.row(triple.relation), targets, std::span(&i, 1), contexts.row(i));
  }
  const Matrix weights{weights_.data() + first * relation_count_, count, relation_count_, relation_count_};
  const auto scores = scratch.scores.span().first(count);
  const auto target_weights = scratch.weights.span().first(count);
  backend_.scores.all_pairs(Similarity::kDot, contexts, table, weights);
  for (std::size_t i = 0; i < count; ++i)
    scores[i] = std::exchange(weights.row(i)[triples_[first + i].relation], -std::numeric_limits<float>::infinity());
  backend_.softmax.cross_entropy(weights, scores, 0, scale, losses_.span().subspan(first, count), target_weights);
  for (std::size_t i = 0; i < count; ++i) weights.row(i)[triples_[first + i].relation] = target_weights[i];

  const Matrix mixed{scratch.mixed.data(), count, operator_dim_, operator_dim_};
  const auto each = identity_.span().first(count);
  backend_.gradients.to_queries(weights, table, mixed);
  scorer.backward(mixed, each, targets, {source_gradients_.data() + first * dim_, count, dim_, dim_});
  scorer.compose(sources, mixed, each, {target_gradients_.data() + first * dim_, count, dim_, dim_});
}

}  // namespace tessera::train
