// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/step.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "model/similarity_gradients.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace tessera::train {

using kernels::ConstMatrix;
using kernels::Matrix;
using kernels::Similarity;
using memory::Tag;

Step::Step(const graph::Shard& shard, const model::Parameters& parameters, std::span<const std::uint64_t> most_queries,
           std::uint64_t negatives, std::size_t threads, const kernels::Backend& backend, memory::Pool& pool)
    : parameters_(parameters),
      backend_(backend),
      dim_(parameters.dim()),
      relation_dim_(parameters.relations().cols),
      negatives_(negatives),
      threads_(threads),
      part_count_(shard.manifest.part_count()) {
  std::size_t tiles = 0;
  for (const std::uint64_t n : most_queries) {
    Work work;
    work.negatives = pool.allocate<float>(Tag::kHalo, negatives * dim_);
    work.queries = pool.allocate<float>(Tag::kBatch, n * dim_);
    work.weights = pool.allocate<float>(Tag::kLogits, n * negatives);
    work.gradients = pool.allocate<float>(Tag::kGradients, (2 * n + negatives) * dim_);
    work.relation_gradients = pool.allocate<float>(Tag::kGradients, n * relation_dim_);
    const std::uint64_t relations = std::min<std::uint64_t>(n, parameters.relations().rows);
    work.relation_sums = pool.allocate<float>(Tag::kGradients, relations * relation_dim_);
    work.losses = pool.allocate<float>(Tag::kLogits, n);
    work_.push_back(std::move(work));
    tiles += std::max({(n + kTileQueries - 1) / kTileQueries, (negatives + kTileNegatives - 1) / kTileNegatives,
                       std::size_t{part_count_}});
  }
  const bool keeps_scores = parameters.scorer().similarity() == Similarity::kNegativeL2;
  for (std::size_t t = 0; t < threads; ++t) {
    Scratch scratch;
    scratch.sources = pool.allocate<float>(Tag::kBatch, kTileQueries * dim_);
    scratch.targets = pool.allocate<float>(Tag::kBatch, kTileQueries * dim_);
    scratch.query_gradients = pool.allocate<float>(Tag::kGradients, kTileQueries * dim_);
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
  const ConstMatrix table = parameters_.parts()[task.part].rows_and_spare;
  const Matrix sources{scratch.sources.data(), count, dim_, dim_};
  backend_.rows.gather(table, batch.source_rows().subspan(task.first, count), sources);
  backend_.rows.gather(table, batch.target_rows().subspan(task.first, count),
                       {scratch.targets.data(), count, dim_, dim_});
  const Matrix queries{work_[task.part].queries.data() + task.first * dim_, count, dim_, dim_};
  parameters_.scorer().compose(sources, parameters_.relations(), batch.relations().subspan(task.first, count), queries);
  score_tile(batch, task, count, objective, scale, scratch);
  backward_tile(batch, task, count, objective, scale, scratch);
}

// Scores, softmax, and the gradients of query vectors and targets.
void Step::score_tile(const Batch& batch, const Task& task, std::size_t count, const Objective& objective, float scale,
                      Scratch& scratch) {
  Work& work = work_[task.part];
  const Similarity similarity = parameters_.scorer().similarity();
  const ConstMatrix queries{work.queries.data() + task.first * dim_, count, dim_, dim_};
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
  backend_.softmax.cross_entropy(weights, target_scores, objective.shift, scale,
                                 work.losses.span().subspan(task.first, count), target_weights);
  model::to_coefficients(similarity, {scratch.scores.data(), count, negatives_, negatives_}, weights);
  const Matrix query_gradients{scratch.query_gradients.data(), count, dim_, dim_};
  model::gradients_to_queries(backend_, similarity, weights, queries, rows, query_gradients);
  float* target_gradients = work.gradients.data() + (batch.size() + task.first) * dim_;
  for (std::size_t i = 0; i < count; ++i)
    model::pair_gradient(similarity, target_weights[i], target_scores[i], queries.row(i), targets.row(i), dim_,
                         query_gradients.row(i), target_gradients + i * dim_);
}

// From query gradients to those of sources and relations; the penalty on the rows of each query.
void Step::backward_tile(const Batch& batch, const Task& task, std::size_t count, const Objective& objective,
                         float scale, Scratch& scratch) {
  Work& work = work_[task.part];
  const ConstMatrix sources{scratch.sources.data(), count, dim_, dim_};
  const ConstMatrix targets{scratch.targets.data(), count, dim_, dim_};
  const ConstMatrix query_gradients{scratch.query_gradients.data(), count, dim_, dim_};
  const Matrix source_gradients{work.gradients.data() + task.first * dim_, count, dim_, dim_};
  const Matrix target_gradients{work.gradients.data() + (batch.size() + task.first) * dim_, count, dim_, dim_};
  const Matrix relation_gradients{work.relation_gradients.data() + task.first * relation_dim_, count, relation_dim_,
                                  relation_dim_};
  const auto relations = batch.relations().subspan(task.first, count);
  const model::Scorer& scorer = parameters_.scorer();
  scorer.backward(sources, parameters_.relations(), relations, query_gradients, source_gradients, relation_gradients);
  if (objective.norm == model::Norm::kNone) return;
  const float factor = objective.norm_weight * scale;
  const bool complex = scorer.is_complex();
  for (std::size_t i = 0; i < count; ++i) {
    model::add_norm_gradient(objective.norm, complex, factor, sources.row(i), dim_, source_gradients.row(i));
    model::add_norm_gradient(objective.norm, complex, factor, targets.row(i), dim_, target_gradients.row(i));
    model::add_norm_gradient(objective.norm, complex, factor, parameters_.relations().row(relations[i]), relation_dim_,
                             relation_gradients.row(i));
  }
}

void Step::negative_tile(const Batch& batch, const Task& task) {
  Work& work = work_[task.part];
  const std::size_t n = batch.size();
  const std::size_t count = std::min(kTileNegatives, negatives_ - task.first);
  const ConstMatrix weights{work.weights.data() + task.first, n, count, negatives_};
  const Matrix out{work.gradients.data() + (2 * n + task.first) * dim_, count, dim_, dim_};
  model::gradients_to_rows(backend_, parameters_.scorer().similarity(), weights, {work.queries.data(), n, dim_, dim_},
                           {work.negatives.data() + task.first * dim_, count, dim_, dim_}, out);
}

void Step::sum_by_row(std::span<Batch* const> batches, std::size_t slot, const exchange::RowsExchange& exchange) {
  tasks_.clear();
  for (std::uint32_t p = 0; p < batches.size(); ++p)
    for (std::uint32_t q = 0; q < part_count_; ++q) tasks_.push_back({p, q});
  parallel_for(tasks_.size(), threads_, [&](std::size_t i) {
    const auto [part, owner] = tasks_[i];
    const exchange::RowRequests& rows = batches[part]->rows();
    const std::size_t occurrences = 2 * batches[part]->size() + negatives_;
    const ConstMatrix gradients{work_[part].gradients.data(), occurrences, dim_, dim_};
    const auto offsets = rows.segment_offsets().subspan(rows.owner_begin(PartId(owner)), rows.count(PartId(owner)) + 1);
    backend_.rows.sum_segments(gradients, offsets, rows.positions(),
                               exchange.gradient_block(slot, part, PartId(owner)));
  });
  parallel_for(batches.size(), threads_, [&](std::size_t p) { sum_relations(*batches[p], p); });
}

void Step::sum_relations(const Batch& batch, std::size_t part) {
  const std::size_t distinct = batch.distinct_relations().size();
  const Matrix sums{work_[part].relation_sums.data(), distinct, relation_dim_, relation_dim_};
  backend_.rows.sum_segments({work_[part].relation_gradients.data(), batch.size(), relation_dim_, relation_dim_},
                             batch.relation_offsets(), batch.relation_positions(), sums);
  leaves_[part] = {batch.distinct_relations(), sums};
}

}  // namespace tessera::train
