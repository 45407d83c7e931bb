// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/step.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "kernels/similarity_gradients.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace tessera::train {

using kernels::ConstMatrix;
using kernels::Matrix;
using kernels::Similarity;
using memory::Tag;

Step::Step(const graph::Shard& shard, const model::Parameters& parameters, const Dropout& dropout,
           std::span<const std::uint64_t> most_queries, std::uint64_t negatives, std::size_t threads,
           const kernels::Backend& backend, memory::Pool& pool)
    : parameters_(parameters),
      backend_(backend),
      dim_(parameters.dim()),
      negatives_(negatives),
      threads_(threads),
      part_count_(shard.manifest.part_count()) {
  std::size_t tiles = 0;
  const std::uint64_t relations = parameters.relations().rows;
  for (std::size_t p = 0; p < most_queries.size(); ++p) {
    const std::uint64_t n = most_queries[p];
    work_.push_back({QuerySide(parameters, dropout, p, n, pool), pool.allocate<float>(Tag::kHalo, negatives * dim_),
                     pool.allocate<float>(Tag::kLogits, n * negatives),
                     pool.allocate<float>(Tag::kGradients, (2 * n + negatives) * dim_),
                     pool.allocate<float>(Tag::kLogits, n)});
    const auto cut = [](std::uint64_t count, std::size_t tile) { return (count + tile - 1) / tile; };
    tiles += std::max({cut(n, kTileQueries), cut(negatives, kTileNegatives),
                       part_count_ + cut(std::min(n, relations), kTileRelations)});
  }
  const bool keeps_scores = parameters.scorer().similarity() == Similarity::kNegativeL2;
  for (std::size_t t = 0; t < threads; ++t) {
    Scratch scratch;
    scratch.targets = pool.allocate<float>(Tag::kBatch, kTileQueries * dim_);
    if (keeps_scores) scratch.scores = pool.allocate<float>(Tag::kLogits, kTileQueries * negatives);
    scratch_.push_back(std::move(scratch));
  }
  tasks_.reserve(tiles);
  leaves_.resize(work_.size());
  target_scores_.resize(threads * kTileQueries);
  target_weights_.resize(threads * kTileQueries);
}

void Step::compute(std::span<Batch* const> batches, const Objective& objective, std::uint64_t queries_in_step,
                   std::span<double> losses, exchange::RowsExchange& exchange) {
  const float scale = 1.0F / static_cast<float>(queries_in_step);
  gather_negatives(batches);
  exchange.progress();
  for (std::size_t p = 0; p < batches.size(); ++p)
    work_[p].side.start(batches[p]->position(), batches[p]->source_rows(), batches[p]->relations());
  tasks_.clear();
  for (std::uint32_t p = 0; p < batches.size(); ++p)
    for (std::uint32_t first = 0; first < batches[p]->size(); first += kTileQueries) tasks_.push_back({p, first});
  parallel_for(tasks_.size(), threads_, [&](std::size_t i, std::size_t worker) {
    query_tile(*batches[tasks_[i].part], tasks_[i], objective, scale, scratch_[worker]);
  });
  exchange.progress();
  tasks_.clear();
  for (std::uint32_t p = 0; p < batches.size(); ++p)
    for (std::uint32_t first = 0; first < negatives_; first += kTileNegatives) tasks_.push_back({p, first});
  parallel_for(tasks_.size(), threads_, [&](std::size_t i) { negative_tile(*batches[tasks_[i].part], tasks_[i]); });
  exchange.progress();
  for (std::size_t p = 0; p < batches.size(); ++p)
    for (std::size_t i = 0; i < batches[p]->size(); ++i) losses[p] += static_cast<double>(work_[p].losses[i]);
}

void Step::gather_negatives(std::span<Batch* const> batches) {
  parallel_for(batches.size(), threads_, [&](std::size_t p) {
    backend_.rows.gather(parameters_.parts()[p].rows_and_spare, batches[p]->negative_rows(),
                         {work_[p].negatives.data(), negatives_, dim_, dim_});
  });
}

void Step::query_tile(const Batch& batch, const Task& task, const Objective& objective, float scale, Scratch& scratch) {
  const std::size_t count = std::min(kTileQueries, batch.size() - task.first);
  Work& work = work_[task.part];
  const auto worker = static_cast<std::size_t>(&scratch - scratch_.data());
  work.side.compose(backend_, task.first, count, worker);
  const Matrix targets{scratch.targets.data(), count, dim_, dim_};
  backend_.rows.gather(parameters_.parts()[task.part].rows_and_spare, batch.target_rows().subspan(task.first, count),
                       targets);
  score_tile(batch, task, count, objective, scale, scratch);
  work.side.penalise_queries(task.first, count, objective.penalty(scale));
  work.side.source_gradients(task.first, count, objective.penalty(scale),
                             {work.gradients.data() + task.first * dim_, count, dim_, dim_}, worker);
  float* gradient = work.gradients.data() + (batch.size() + task.first) * dim_;
  for (std::size_t i = 0; i < count; ++i)
    objective.penalty(scale).add_entity(parameters_.scorer(), 1, targets.row(i), dim_, gradient + i * dim_);
}

// Scores, softmax, and the gradients of query vectors and targets.
void Step::score_tile(const Batch& batch, const Task& task, std::size_t count, const Objective& objective, float scale,
                      Scratch& scratch) {
  Work& work = work_[task.part];
  const Similarity similarity = parameters_.scorer().similarity();
  const ConstMatrix queries = work.side.queries().block(task.first, count);
  const ConstMatrix targets{scratch.targets.data(), count, dim_, dim_};
  const ConstMatrix rows{work.negatives.data(), negatives_, dim_, dim_};
  const Matrix weights{work.weights.data() + task.first * negatives_, count, negatives_, negatives_};
  const std::size_t worker = static_cast<std::size_t>(&scratch - scratch_.data());
  const std::span<float> target_scores = std::span(target_scores_).subspan(worker * kTileQueries, count);
  const std::span<float> target_weights = std::span(target_weights_).subspan(worker * kTileQueries, count);

  backend_.scores.pairs(similarity, queries, targets, target_scores);
  backend_.scores.all_pairs(similarity, queries, rows, weights);
  if (scratch.scores.size() > 0) std::memcpy(scratch.scores.data(), weights.data, count * negatives_ * sizeof(float));
  for (std::size_t i = 0; i < count; ++i)
    for (const std::uint32_t position : batch.negatives_equal_to_target(task.first + i))
      weights.row(i)[position - 2 * batch.size()] = -std::numeric_limits<float>::infinity();
  objective.loss.apply(backend_, weights, target_scores, scale, work.losses.span().subspan(task.first, count),
                       target_weights);
  if (similarity == Similarity::kNegativeL2)
    backend_.distances.to_coefficients({scratch.scores.data(), count, negatives_, negatives_}, weights);
  const Matrix query_gradients = work.side.query_gradients().block(task.first, count);
  kernels::gradients_to_queries(backend_, similarity, ConstMatrix(weights), queries, rows, query_gradients);
  const Matrix target_gradients{work.gradients.data() + (batch.size() + task.first) * dim_, count, dim_, dim_};
  backend_.distances.pairs(similarity, target_weights, target_scores, queries, targets, query_gradients,
                           target_gradients);
}

void Step::negative_tile(const Batch& batch, const Task& task) {
  Work& work = work_[task.part];
  const std::size_t n = batch.size();
  const std::size_t count = std::min(kTileNegatives, negatives_ - task.first);
  const ConstMatrix weights{work.weights.data() + task.first, n, count, negatives_};
  const Matrix out{work.gradients.data() + (2 * n + task.first) * dim_, count, dim_, dim_};
  const ConstMatrix rows{work.negatives.data() + task.first * dim_, count, dim_, dim_};
  kernels::gradients_to_rows(backend_, parameters_.scorer().similarity(), weights, ConstMatrix(work.side.queries()),
                             rows, out);
}

void Step::sum_by_row(std::span<Batch* const> batches, std::size_t slot, const Objective& objective,
                      std::uint64_t queries_in_step, const exchange::RowsExchange& exchange) {
  const Penalty penalty = objective.penalty(1.0F / static_cast<float>(queries_in_step));
  tasks_.clear();
  for (std::uint32_t p = 0; p < batches.size(); ++p) {
    for (std::uint32_t q = 0; q < part_count_; ++q) tasks_.push_back({p, q});
    for (std::uint32_t u = 0; u < batches[p]->by_relation().size(); u += kTileRelations)
      tasks_.push_back({p, part_count_ + u});
  }
  parallel_for(tasks_.size(), threads_, [&](std::size_t i, std::size_t worker) {
    const auto [part, first] = tasks_[i];
    const Batch& batch = *batches[part];
    if (first >= part_count_) {
      const std::size_t u = first - part_count_;
      work_[part].side.relation_gradients(batch.by_relation(), u,
                                          std::min(kTileRelations, batch.by_relation().size() - u), penalty, worker);
      return;
    }
    const PartId owner(first);
    const exchange::RowRequests& rows = batch.rows();
    const std::size_t occurrences = 2 * batch.size() + negatives_;
    const ConstMatrix gradients{work_[part].gradients.data(), occurrences, dim_, dim_};
    const auto offsets = rows.segment_offsets().subspan(rows.owner_begin(owner), rows.count(owner) + 1);
    backend_.rows.sum_segments(gradients, offsets, rows.positions(), exchange.gradient_block(slot, part, owner));
  });
  for (std::size_t p = 0; p < batches.size(); ++p) leaves_[p] = work_[p].side.relation_leaf(batches[p]->by_relation());
}

}  // namespace tessera::train
