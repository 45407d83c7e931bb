// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/queries/queries_engine.hpp"

#include "core/fault.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <utility>

namespace tessera::train {

using exchange::TargetExchange;
using execution::Space;
using kernels::Statistic;
using memory::Tag;

namespace {

// Keeping the scores saves a matrix product per pass; on the host it may take half of what is left of the budget.
template <Space kSpace>
CandidateLoss make_loss(const EngineSetup& setup, const StepSizes& sizes, std::uint64_t room_bytes) {
  CandidateLoss loss = CandidateLoss::of(setup.job);
  loss.rows_for_each = static_cast<double>(setup.entities()) / static_cast<double>(setup.shard.manifest.entity_count);
  std::uint64_t cells = 0;
  for (const PartSizes& part : sizes.own) cells += sizes.queries * part.candidates();
  loss.keep_scores =
      setup.job.exchange.scores == "keep" ||
      (setup.job.exchange.scores == "auto" && (kSpace == Space::kDevice || cells * sizeof(float) <= room_bytes / 2));
  return loss;
}

std::uint64_t longest_list(const EngineSetup& setup, const StepSizes& sizes) {
  return std::max<std::uint64_t>({CandidateScores<Space::kHost>::longest_list(CandidateLoss::of(setup.job), sizes),
                                  sizes.relations * sizes.own.size(), setup.parameters.core().rows});
}

}  // namespace

template <Space kSpace>
QueriesEngine<kSpace>::QueriesEngine(const EngineSetup& setup, std::unique_ptr<RankExecution<kSpace>> execution)
    : QueriesEngine(setup, std::move(execution), step_sizes(setup, item_schedule(setup))) {}

template <Space kSpace>
QueriesEngine<kSpace>::QueriesEngine(const EngineSetup& setup, std::unique_ptr<RankExecution<kSpace>> execution,
                                     const StepSizes& sizes)
    : PassEngine(setup),
      execution_(std::move(execution)),
      executor_(execution_->executor()),
      comm_(setup.comm),
      shard_(setup.shard),
      schedule_(item_schedule(setup)),
      loss_of_(make_loss<kSpace>(setup, sizes, executor_.room_bytes())),
      dim_(sizes.dim),
      query_count_(shard_.manifest.query_count()),
      candidates_per_part_(sampled_per_part(setup.job, shard_.manifest.part_count())),
      optimiser_(setup.job.optimiser, setup.job.schedule),
      dropout_(setup.job, setup.parameters, 0, setup.pool),
      tables_(setup.parameters, shard_.manifest, setup.job.run.seed, executor_),
      memory_(executor_, longest_list(setup, sizes)),
      step_setup_{executor_, memory_, tables_, setup.parameters, shard_},
      targets_(comm_, shard_, sizes.by_part, setup.pool),
      draw_(setup, executor_, sizes, targets_),
      sides_(step_setup_, dropout_, sizes.side()),
      scores_(step_setup_, loss_of_, sizes),
      gradients_(step_setup_, scores_, loss_of_, sizes),
      exchange_({executor_, memory_, shard_, execution_->transport()}, sizes.exchange(loss_of_.binary)),
      side_parts_(shard_.parts.size()),
      clock_(executor_),
      loss_(comm_, shard_, executor_) {
  if (loss_of_.predicts_relations()) prediction_ = std::make_unique<RelationPrediction<kSpace>>(step_setup_, sizes);
  queries_ = memory_.allocate(Tag::kBatch, sizes.queries, sizes.width());
  if (!prediction_) sources_ = memory_.allocate(Tag::kBatch, sizes.own_queries(), dim_);
  leaves_ = memory_.allocate(Tag::kGradients, sizes.own_distinct_relations(), sizes.gradient_dim);
}

template <Space kSpace>
std::string QueriesEngine<kSpace>::description() const {
  const std::string candidates = loss_of_.exact
                                     ? fmt::format("all {} entities are candidates", shard_.manifest.entity_count)
                                     : fmt::format("{} sampled candidates in each part", candidates_per_part_);
  return fmt::format("moves queries; {}; scores are {}; kernels '{}'; entity rows in {}; {}", candidates,
                     loss_of_.keep_scores ? "kept" : "computed again", executor_.kernels().name,
                     model::name(tables_.part(0).rows.format), exchange_.description());
}

template <Space kSpace>
std::vector<kernels::ConstDeviceMatrix> QueriesEngine<kSpace>::device_rows() const {
  if constexpr (kSpace == Space::kDevice) return tables_.fp32_rows();
  return {};
}

// ---- a segment

template <Space kSpace>
void QueriesEngine<kSpace>::run_pass(const Pass& pass, EpochSums& sums, Progress* progress) {
  pass_ = pass;
  if (!are_uploaded_) tables_.upload();
  are_uploaded_ = true;
  loss_.start(sums);
  clock_.reset();
  (void)draw(pass.first_step);
  for (std::uint64_t step = pass.first_step; step < pass.end_step; ++step) {
    sums.terms += compute_step(step, lists_[step % lists_.size()]);
    ++sums.steps;
    if (step + 1 < pass.end_step)
      if (const std::uint64_t failed = draw(step + 1); failed != TargetExchange::kNone) fail_not_finite(pass, failed);
    if (progress != nullptr && progress->due()) {
      loss_.download();
      const std::uint64_t done = pass.queries_of_run + query_count_ * (step + 1) / schedule_.steps();
      progress->update(done / 2,
                       fmt::format("epoch {}, loss about {:.4f}", pass.epoch + 1, loss_.mean_so_far(sums.terms)));
    }
  }
  loss_.download();
  clock_.finish();
  loss_.gather(pass, sums);
}

template <Space kSpace>
std::uint64_t QueriesEngine<kSpace>::draw(std::uint64_t step) {
  clock_.enter(Stage::kDraw);
  const std::uint64_t failed = draw_.draw(pass_.number, step, loss_.first_failed_step(), lists_[step % lists_.size()]);
  clock_.leave();
  return failed;
}

// ---- a step

// Returns the summands of the loss.
template <Space kSpace>
std::uint64_t QueriesEngine<kSpace>::compute_step(std::uint64_t step, const Lists& lists) {
  const std::uint64_t terms = loss_of_.binary ? lists.queries : lists.targets;
  const auto scale = static_cast<float>(1 / static_cast<double>(terms));
  const Penalty penalty{loss_of_.regulariser, scale};
  draw_.ring().take(step);
  clock_.begin_step(step);
  clock_.enter(Stage::kCompose);
  compose(lists);
  clock_.enter(Stage::kExchange);
  exchange_.gather_queries(lists.exchange, queries_);
  fault_point("train.step", comm_.rank());
  clock_.enter(Stage::kScore);
  scores_.score(lists, ConstMatrix(queries_.block(0, lists.queries)).columns(0, dim_));
  scores_.weigh(lists, statistics(lists), scale, step, loss_.sums());
  if (prediction_)
    prediction_->compute(lists,
                         {ConstMatrix(queries_.block(0, lists.queries)).columns(dim_, dim_), sides_.operators(), scale,
                          loss_of_.relation_weight, step},
                         loss_.sums());
  const Matrix gradients = query_gradients(lists);
  clock_.enter(Stage::kGradients);
  side_gradients(lists, gradients, penalty);
  relation_gradients(lists, gradients, penalty);
  optimiser_.begin_step(pass_.steps_of_run + step, pass_.epoch_steps);
  tables_.begin_step(pass_.steps_of_run + step);
  clock_.enter(Stage::kUpdate);
  gradients_.update(lists, prediction(), penalty, optimiser_);
  update_relations(lists);
  clock_.end_step();
  clock_.leave();
  draw_.ring().done(step);
  return terms;
}

template <Space kSpace>
typename QueriesEngine<kSpace>::Matrix QueriesEngine<kSpace>::own_queries(
    const sampling::QueryLists<kSpace>& side) const {
  return queries_.block(side.query_begin, side.queries).columns(0, dim_);
}

template <Space kSpace>
typename QueriesEngine<kSpace>::Matrix QueriesEngine<kSpace>::own_sources(
    const sampling::QueryLists<kSpace>& side) const {
  if (prediction_) return queries_.block(side.query_begin, side.queries).columns(dim_, dim_);
  return sources_.block(side.own_begin, side.queries);
}

template <Space kSpace>
void QueriesEngine<kSpace>::compose(const Lists& lists) {
  sides_.make_operators(lists.sides);
  executor_.for_part_blocks(
      lists.sides.size(), [&](std::size_t p) { return lists.sides[p].queries; }, sides_.block_queries(),
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        const sampling::QueryLists<kSpace>& side = lists.sides[p];
        sides_.compose(side, tables_.part(p).rows, {first, count, worker}, own_sources(side).block(first, count),
                       own_queries(side).block(first, count));
      });
}

template <Space kSpace>
kernels::Vector<kSpace, const Statistic> QueriesEngine<kSpace>::statistics(const Lists& lists) {
  const auto subtrees = exchange_.own_subtrees();
  clock_.enter(Stage::kLoss);
  for (std::size_t k = 0; k < subtrees.size(); ++k)
    scores_.statistics(subtrees[k], exchange_.statistics(lists.exchange, k));
  clock_.enter(Stage::kExchange);
  const auto merged = exchange_.merge_statistics(lists.exchange, scores_.target_scores(lists));
  clock_.enter(Stage::kLoss);
  return merged;
}

// Returns the gradients of the queries of the owned parts.
template <Space kSpace>
typename QueriesEngine<kSpace>::Matrix QueriesEngine<kSpace>::query_gradients(const Lists& lists) {
  const auto subtrees = exchange_.own_subtrees();
  clock_.enter(Stage::kGradients);
  for (std::size_t k = 0; k < subtrees.size(); ++k)
    gradients_.query_gradients(subtrees[k], lists, prediction(), exchange_.subtree_gradients(lists.exchange, k));
  clock_.enter(Stage::kExchange);
  return exchange_.return_gradients(lists.exchange);
}

// Turns gradients of query vectors into gradients of sources, and adds the penalties.
template <Space kSpace>
void QueriesEngine<kSpace>::side_gradients(const Lists& lists, Matrix gradients, const Penalty& penalty) {
  executor_.for_part_blocks(
      lists.sides.size(), [&](std::size_t p) { return lists.sides[p].queries; }, sides_.block_queries(),
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        const sampling::QueryLists<kSpace>& side = lists.sides[p];
        const Block block{first, count, worker};
        const Matrix returned = gradients.block(side.own_begin + first, count);
        const Matrix of_queries = returned.columns(0, dim_);
        const ConstMatrix direct = prediction_ ? ConstMatrix(returned.columns(dim_, dim_)) : ConstMatrix{};
        sides_.penalise_queries(side, block, penalty, own_queries(side).block(first, count), of_queries);
        sides_.source_gradients(side, tables_.part(p).rows, block, penalty,
                                {of_queries, direct, gradients_.source_gradients(p, lists).block(first, count)});
      });
}

template <Space kSpace>
void QueriesEngine<kSpace>::relation_gradients(const Lists& lists, Matrix gradients, const Penalty& penalty) {
  for (std::size_t p = 0; p < lists.sides.size(); ++p) {
    const sampling::QueryLists<kSpace>& side = lists.sides[p];
    side_parts_[p] = {own_sources(side), gradients.block(side.own_begin, side.queries).columns(0, dim_),
                      leaves_.block(side.first_leaf, side.relation_ids.size())};
  }
  sides_.relation_gradients(lists.sides, side_parts_, penalty);
  if (!prediction_) return;
  executor_.for_part_blocks(
      lists.sides.size(), [&](std::size_t p) { return lists.sides[p].relation_ids.size(); }, kTileRows,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t /*worker*/) {
        executor_.kernels().rows.add(side_parts_[p].leaf.block(first, count), memory_.counting(count),
                                     lists.sides[p].dense_slots.subspan(first, count),
                                     prediction_->relation_gradients());
      });
}

template <Space kSpace>
void QueriesEngine<kSpace>::update_relations(const Lists& lists) {
  clock_.enter(Stage::kExchange);
  const auto sum = exchange_.sum_relations(lists.exchange, prediction_ ? prediction_->relation_gradients() : leaves_);
  clock_.enter(Stage::kUpdate);
  sides_.update(sum.rows, sum.ids, optimiser_);
}

template class QueriesEngine<Space::kHost>;
template class QueriesEngine<Space::kDevice>;

}  // namespace tessera::train
