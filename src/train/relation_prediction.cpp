// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/relation_prediction.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "train/relation_step.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace tessera::train {

using kernels::ConstMatrix;
using kernels::Matrix;
using kernels::Similarity;
using memory::Tag;

namespace {

std::size_t tiles(std::size_t count, std::size_t tile) { return (count + tile - 1) / tile; }

}  // namespace

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
      slots_(std::min<std::uint64_t>(capacity, kRoundTriples)),
      triples_(pool.allocate<Triple>(Tag::kBatch, capacity)),
      contexts_(pool.allocate<float>(Tag::kBatch, parts * slots_ * operator_dim_)),
      weights_(pool.allocate<float>(Tag::kLogits, parts * slots_ * relation_count_)),
      losses_(pool.allocate<float>(Tag::kLogits, capacity)),
      source_gradients_(pool.allocate<float>(Tag::kGradients, capacity * dim_)),
      target_gradients_(pool.allocate<float>(Tag::kGradients, capacity * dim_)),
      relation_gradients_(pool.allocate<float>(Tag::kGradients, parts * relation_count_ * gradient_dim_)),
      identity_(pool.allocate<std::uint32_t>(Tag::kBatch, kTileTriples)) {
  if (!parameters.scorer().is_linear_in_relation())
    fail(ExitStatus::kUsage, "relation_prediction does not fit model '{}', whose score is not linear in the relation",
         parameters.scorer().name());
  std::iota(identity_.data(), identity_.data() + kTileTriples, 0U);
  // A step of up to one round adds nothing to what relation_tile() wrote.
  const std::size_t added = capacity > slots_ ? std::min(kTileRelations, relation_count_) * operator_dim_ : 0;
  for (std::size_t t = 0; t < threads; ++t)
    scratch_.push_back({pool.allocate<float>(Tag::kBatch, kTileTriples * dim_),
                        pool.allocate<float>(Tag::kBatch, kTileTriples * dim_),
                        pool.allocate<float>(Tag::kGradients, kTileTriples * operator_dim_),
                        pool.allocate<float>(Tag::kGradients, added), pool.allocate<float>(Tag::kLogits, kTileTriples),
                        pool.allocate<float>(Tag::kLogits, kTileTriples)});
  tasks_.reserve(parts * std::max(tiles(slots_, kTileTriples), tiles(relation_count_, kTileRelations)));
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
  std::size_t most = 0;
  for (std::size_t p = 0; p < parts; ++p) most = std::max(most, begin_[p + 1] - begin_[p]);
  std::size_t first = 0;
  do {  // at least once: relation gradients of no triples are zeros
    compute_round(first, scale);
    first += slots_;
  } while (first < most);
  for (std::size_t p = 0; p < parts; ++p)
    losses[p] += kernels::lane_sum<kernels::kLossLanes>(begin_[p + 1] - begin_[p], [&](std::size_t i) {
      return static_cast<double>(loss_weight) * static_cast<double>(losses_[begin_[p] + i]);
    });
}

RelationPrediction::Round RelationPrediction::round_of(std::uint32_t part, std::size_t first) const {
  const std::size_t begin = std::min(begin_[part] + first, begin_[part + 1]);
  return {part, begin, std::min(begin + slots_, begin_[part + 1])};
}

void RelationPrediction::compute_round(std::size_t first, float scale) {
  const auto parts = static_cast<std::uint32_t>(begin_.size() - 1);
  tasks_.clear();
  for (std::uint32_t p = 0; p < parts; ++p) {
    const Round round = round_of(p, first);
    for (std::size_t at = round.begin; at < round.end; at += kTileTriples) tasks_.push_back({round, at});
  }
  parallel_for(tasks_.size(), threads_, [&](std::size_t i, std::size_t worker) {
    triple_tile(tasks_[i].round, tasks_[i].at, scale, scratch_[worker]);
  });
  tasks_.clear();
  for (std::uint32_t p = 0; p < parts; ++p) {
    const Round round = round_of(p, first);
    if (first > 0 && round.begin == round.end) continue;
    for (std::size_t at = 0; at < relation_count_; at += kTileRelations) tasks_.push_back({round, at});
  }
  parallel_for(tasks_.size(), threads_, [&](std::size_t i, std::size_t worker) {
    relation_tile(tasks_[i].round, tasks_[i].at, first == 0, scratch_[worker]);
  });
}

// The first round of a step writes the gradients, the others are added in order.
void RelationPrediction::relation_tile(const Round& round, std::size_t first, bool writes, Scratch& scratch) {
  const std::size_t count = std::min(kTileRelations, relation_count_ - first);
  const std::size_t triples = round.end - round.begin;
  const Matrix gradients = relation_gradients(round.part).block(first, count);
  const Matrix operators = gradients.columns(0, operator_dim_);
  const Matrix sums = writes ? operators : Matrix{scratch.added.data(), count, operator_dim_, operator_dim_};
  const std::size_t slot = round.part * slots_;
  backend_.gradients.to_rows({weights_.data() + slot * relation_count_ + first, triples, count, relation_count_},
                             {contexts_.data() + slot * operator_dim_, triples, operator_dim_, operator_dim_}, sums);
  if (!writes) {
    for (std::size_t r = 0; r < count; ++r)
      for (std::size_t k = 0; k < operator_dim_; ++k) operators.row(r)[k] += sums.row(r)[k];
    return;
  }
  for (std::size_t r = 0; r < count; ++r)
    std::fill_n(gradients.row(r) + operator_dim_, gradient_dim_ - operator_dim_, 0.0F);
}

void RelationPrediction::triple_tile(const Round& round, std::size_t first, float scale, Scratch& scratch) {
  const std::size_t count = std::min(kTileTriples, round.end - first);
  const std::size_t slot = round.part * slots_ + first - round.begin;
  const model::Scorer& scorer = parameters_.scorer();
  const ConstMatrix table = parameters_.operators();
  const Matrix sources{scratch.sources.data(), count, dim_, dim_};
  const Matrix targets{scratch.targets.data(), count, dim_, dim_};
  const Matrix contexts{contexts_.data() + slot * operator_dim_, count, operator_dim_, operator_dim_};
  std::fill_n(contexts.data, count * operator_dim_, 0.0F);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Triple& triple = triples_[first + i];
    std::copy_n(triple.source, dim_, sources.row(i));
    std::copy_n(triple.target, dim_, targets.row(i));
    scorer.add_operator_gradients(sources, table.row(triple.relation), targets, std::span(&i, 1), contexts.row(i));
  }
  const Matrix weights{weights_.data() + slot * relation_count_, count, relation_count_, relation_count_};
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
