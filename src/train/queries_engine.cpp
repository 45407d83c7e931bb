// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/queries_engine.hpp"

#include "core/error.hpp"
#include "core/fault.hpp"
#include "core/parallel.hpp"
#include "train/queries_setup.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tessera::train {
namespace {

constexpr std::size_t kTileQueries = 128;
constexpr std::size_t kTileRelations = 16;

// Keeping the scores saves a matrix product per pass; it may take half of what is left of the budget.
bool keeps_scores(const EngineSetup& setup, const StepSchedule& schedule) {
  if (setup.job.exchange.scores != "auto") return setup.job.exchange.scores == "keep";
  const QueriesStep::Capacity capacity = step_capacity(setup, schedule);
  std::uint64_t cells = 0;
  for (std::size_t p = 0; p < capacity.own_parts.size(); ++p) {
    const std::uint64_t sampled = capacity.own_parts[p].candidates;
    cells += capacity.queries * (sampled > 0 ? sampled : setup.shard.parts[p].rows());
  }
  return cells * sizeof(float) <= (setup.pool.budget_bytes() - setup.pool.used_bytes()) / 2;
}

CandidateLoss make_loss(const EngineSetup& setup, const StepSchedule& schedule) {
  CandidateLoss loss = candidate_loss(setup.job);
  loss.keep_scores = keeps_scores(setup, schedule);
  return loss;
}

}  // namespace

QueriesEngine::QueriesEngine(const EngineSetup& setup)
    : comm_(setup.comm),
      shard_(setup.shard),
      parameters_(setup.parameters),
      backend_(setup.backend),
      threads_(setup.threads),
      seed_(setup.job.run.seed),
      schedule_(item_schedule(setup)),
      candidates_per_part_(sampled_per_part(setup.job, shard_.manifest.part_count())),
      objective_(make_loss(setup, schedule_)),
      optimiser_(setup.job.optimiser, setup.job.schedule),
      dropout_(setup.job, parameters_, threads_, setup.pool),
      exchange_(comm_, shard_, parameters_.dim(), objective_.relation_weight > 0, exchange_capacity(setup, schedule_),
                setup.pool),
      step_(shard_, parameters_, objective_, step_capacity(setup, schedule_), threads_, backend_, setup.pool),
      relation_sum_(comm_, shard_.placement,
                    objective_.relation_weight > 0 ? parameters_.relations().rows : schedule_.largest_share(),
                    parameters_.relations().rows, relation_gradient_dim(parameters_), setup.pool),
      relation_step_(parameters_, parameters_.relations().rows, threads_, backend_, setup.pool),
      loss_(comm_, shard_) {
  const QueriesStep::Capacity capacity = step_capacity(setup, schedule_);
  for (const graph::PartFigures& part : shard_.manifest.figures) query_count_ += part.queries;
  for (std::size_t p = 0; p < shard_.parts.size(); ++p) {
    const graph::QuerySet& queries = shard_.parts[p].queries(graph::Split::kTrain);
    if (setup.job.train.group_queries)
      items_.emplace_back(queries, most_answers(setup.job), setup.pool);
    else
      items_.emplace_back(queries);
    owned_batches_.push_back(
        std::make_unique<QueryBatch>(shard_.manifest, shard_.parts[p].id(), capacity.own_parts[p], setup.pool));
    owned_sides_.push_back(std::make_unique<QuerySide>(parameters_, dropout_, p, capacity.own_parts[p].queries,
                                                       setup.pool, objective_.relation_weight > 0));
    batches_.push_back(owned_batches_.back().get());
    sides_.push_back(owned_sides_.back().get());
  }
  all_relations_ = setup.pool.allocate<std::uint32_t>(memory::Tag::kBatch, parameters_.relations().rows);
  std::iota(all_relations_.data(), all_relations_.data() + all_relations_.size(), 0U);
  part_queries_.resize(shard_.parts.size());
  leaves_.resize(shard_.parts.size());
}

std::string QueriesEngine::description() const {
  const std::string candidates = objective_.exact
                                     ? fmt::format("all {} entities are candidates", shard_.manifest.entity_count)
                                     : fmt::format("{} sampled candidates in each part", candidates_per_part_);
  return fmt::format("moves queries; {}; scores are {}", candidates,
                     objective_.keep_scores ? "kept" : "computed again");
}

double QueriesEngine::run_epoch(std::uint32_t epoch, Progress* progress) {
  loss_.start();
  loss_terms_ = 0;
  for (std::uint64_t step = 0; step < schedule_.steps(); ++step) {
    run_step(epoch, step);
    if (progress != nullptr && progress->due()) {
      const std::uint64_t done = query_count_ * epoch + query_count_ * (step + 1) / schedule_.steps();
      progress->update(done / 2, fmt::format("epoch {}, loss about {:.4f}", epoch + 1, loss_.mean_so_far(loss_terms_)));
    }
  }
  return loss_.mean(loss_terms_);
}

void QueriesEngine::draw(std::uint32_t epoch, std::uint64_t step) {
  parallel_for(batches_.size(), threads_, [&](std::size_t p) {
    const PartId part = shard_.parts[p].id();
    batches_[p]->draw(shard_.parts[p], items_[p],
                      {seed_, epoch, step, schedule_.begin(part, step), schedule_.begin(part, step + 1)});
  });
}

void QueriesEngine::compose() {
  for (std::size_t p = 0; p < sides_.size(); ++p) {
    sides_[p]->start(batches_[p]->position(), batches_[p]->sources(), batches_[p]->relations(), batches_[p]->answers());
    relation_step_.need(batches_[p]->by_relation().ids());
  }
  if (step_.relation_prediction() != nullptr) relation_step_.need(all_relations_.span());
  relation_step_.make_operators();
  parallel_for(sides_.size(), threads_, [&](std::size_t p, std::size_t worker) {
    for (std::size_t first = 0; first < sides_[p]->size(); first += kTileQueries)
      sides_[p]->compose(backend_, first, std::min(kTileQueries, sides_[p]->size() - first), worker);
    part_queries_[p] = {sides_[p]->queries(), sides_[p]->sources(), batches_[p]->targets()};
  });
}

void QueriesEngine::run_step(std::uint32_t epoch, std::uint64_t step) {
  draw(epoch, step);
  compose();
  exchange_.gather(part_queries_);
  fault_point("train.step", comm_.rank());
  step_.score(batches_, exchange_);
  bool failed = !step_.find_weights(exchange_, exchange_.merge(merge_of(objective_)), loss_.by_part());
  step_.predict_relations(exchange_, loss_.by_part());
  loss_terms_ += objective_.binary ? exchange_.query_count() : exchange_.targets().size();
  step_.query_gradients(exchange_);
  exchange_.begin_return();
  optimiser_.begin_step(epoch * schedule_.steps() + step, schedule_.steps());
  step_.update_candidates(batches_, exchange_, optimiser_);
  finish_gradients();
  step_.update_sources(batches_, sides_, optimiser_);
  failed = failed || !loss_.is_finite();
  const exchange::SparseRows relations = relation_sum_.sum(leaves_, failed);  // from here on all ranks know
  if (failed) fail_not_finite(epoch, step);
  relation_step_.update(relations, optimiser_);
}

void QueriesEngine::finish_gradients() {
  const std::size_t dim = parameters_.dim();
  for (std::size_t p = 0; p < sides_.size(); ++p) {
    const kernels::ConstMatrix returned = exchange_.finish_return(p);
    const kernels::Matrix gradients = sides_[p]->query_gradients();
    const kernels::Matrix direct = sides_[p]->direct_source_gradients();
    for (std::size_t i = 0; i < returned.rows; ++i) {
      std::copy_n(returned.row(i), dim, gradients.row(i));
      if (returned.cols > dim) std::copy_n(returned.row(i) + dim, dim, direct.row(i));
    }
    parallel_for((returned.rows + kTileQueries - 1) / kTileQueries, threads_, [&](std::size_t tile) {
      const std::size_t first = tile * kTileQueries;
      sides_[p]->penalise_queries(first, std::min(kTileQueries, returned.rows - first), step_.penalty());
    });
    const exchange::Groups& relations = batches_[p]->by_relation();
    parallel_for((relations.size() + kTileRelations - 1) / kTileRelations, threads_,
                 [&](std::size_t tile, std::size_t worker) {
                   const std::size_t first = tile * kTileRelations;
                   sides_[p]->relation_gradients(relations, first, std::min(kTileRelations, relations.size() - first),
                                                 step_.penalty(), worker);
                 });
    leaves_[p] = sides_[p]->relation_leaf(relations);
    if (step_.relation_prediction() != nullptr) leaves_[p] = with_relation_prediction(p, leaves_[p]);
  }
}

// The sparse gradients of the relations of own queries, added to the dense ones of relation prediction.
exchange::SparseRows QueriesEngine::with_relation_prediction(std::size_t part, const exchange::SparseRows& sparse) {
  const kernels::Matrix dense = step_.relation_prediction()->relation_gradients(part);
  for (std::size_t u = 0; u < sparse.ids.size(); ++u) {
    float* row = dense.row(sparse.ids[u]);
    for (std::size_t k = 0; k < dense.cols; ++k) row[k] += sparse.rows.row(u)[k];
  }
  return {all_relations_.span(), dense};
}

}  // namespace tessera::train
