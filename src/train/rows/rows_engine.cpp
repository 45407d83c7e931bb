// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rows/rows_engine.hpp"

#include "core/fault.hpp"
#include "core/text.hpp"
#include "exchange/rows/early_halo_rows.hpp"
#include "exchange/rows/ordered_halo_rows.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::train {

using exchange::HaloRows;
using exchange::QueryRelations;
using exchange::RowDemand;
using execution::Space;

namespace {

RowsObjective make_objective(const Job& job, std::uint64_t entity_count) {
  RowsObjective objective;
  if (job.negatives.unbiased && job.negatives.scope != "all")
    objective.loss.shift =
        static_cast<float>(std::log(static_cast<double>(entity_count) / static_cast<double>(job.negatives.count)));
  objective.loss.kind = find_loss(job.loss.name);
  objective.loss.margin = static_cast<float>(job.loss.margin);
  objective.loss.temperature = static_cast<float>(job.loss.temperature);
  objective.regulariser = model::find_regulariser(job.regulariser);
  return objective;
}

// Entities for which the negatives of a step stand. In a round, priors stand for those that are away.
std::uint64_t candidates_for(const EngineSetup& setup, const RowsSizes& sizes) {
  return sizes.round.places > 0 ? setup.shard.manifest.entity_count : setup.entities();
}

std::uint64_t longest_list(const EngineSetup& setup, const RowsSizes& sizes) {
  const std::uint64_t halo = *std::max_element(sizes.rows.remote.begin(), sizes.rows.remote.end());
  return std::max<std::uint64_t>({RowsStep<Space::kHost>::longest_list(sizes), halo, sizes.relations * sizes.own.size(),
                                  setup.parameters.core().rows});
}

}  // namespace

template <Space kSpace>
RowsEngine<kSpace>::RowsEngine(const EngineSetup& setup, std::unique_ptr<RankExecution<kSpace>> execution)
    : RowsEngine(setup, std::move(execution), rows_sizes(setup)) {}

template <Space kSpace>
RowsEngine<kSpace>::RowsEngine(const EngineSetup& setup, std::unique_ptr<RankExecution<kSpace>> execution,
                               const RowsSizes& sizes)
    : PassEngine(setup),
      execution_(std::move(execution)),
      executor_(execution_->executor()),
      comm_(setup.comm),
      shard_(setup.shard),
      scope_(sampling::find_scope(setup.job.negatives.scope)),
      negatives_(sizes.negatives),
      format_(sizes.format),
      schedule_(query_schedule(shard_.manifest, setup.job)),
      query_count_(shard_.manifest.query_count()),
      optimiser_(setup.job.optimiser, setup.job.schedule),
      dropout_(setup.job, setup.parameters, 0, setup.pool),
      tables_(setup.parameters, shard_.manifest, setup.job.run.seed, executor_),
      memory_(executor_, longest_list(setup, sizes)),
      step_setup_{executor_, memory_, tables_, setup.parameters, shard_},
      demand_(comm_, shard_, sizes.rows, setup.pool),
      draw_(setup, executor_, sizes, schedule_),
      halo_(make_halo(setup, sizes)),
      returns_({executor_, memory_, demand_, execution_->transport(), sizes.dim, sizes.format}),
      rounding_(setup.job.run.seed, Purpose::kExchange),
      relation_sum_(executor_, memory_, shard_, execution_->transport(), sizes.relation_sum()),
      sides_(step_setup_, dropout_, sizes.side()),
      step_({step_setup_, sides_, returns_, demand_}, make_objective(setup.job, candidates_for(setup, sizes)), sizes),
      clock_(executor_),
      loss_(comm_, shard_, executor_) {}

template <Space kSpace>
std::unique_ptr<HaloRows<kSpace>> RowsEngine<kSpace>::make_halo(const EngineSetup& setup, const RowsSizes& sizes) {
  const bool stale = setup.job.exchange.staleness > 0;
  std::vector<kernels::BasicStoredRows<kSpace>> tables;
  for (std::size_t p = 0; p < shard_.parts.size(); ++p) tables.push_back(tables_.part(p).with_halo);
  if constexpr (kSpace == Space::kHost)
    if (comm_.size() > 1 && setup.device_ranks == 0)
      return std::make_unique<exchange::EarlyHaloRows>(
          exchange::EarlyHaloRows::Setup{comm_, shard_, demand_, tables, stale, sizes.format}, setup.pool);
  using Ordered = exchange::OrderedHaloRows<kSpace>;
  return std::make_unique<Ordered>(typename Ordered::Setup{executor_, memory_, shard_, demand_, tables,
                                                           execution_->transport(), stale, sizes.format},
                                   sizes.rows);
}

template <Space kSpace>
std::string RowsEngine<kSpace>::description() const {
  std::string candidates = fmt::format("all {} entities are candidates", negatives_);
  if (scope_ != sampling::Scope::kAll)
    candidates = fmt::format("{} negatives of {} per part and step", negatives_,
                             scope_ == sampling::Scope::kPart ? "the own part" : "all entities");
  const comm::RankTransport<kSpace>* transport = execution_->transport();
  const std::string rounded =
      format_ == kernels::RowFormat::kFp32 ? "" : fmt::format(", gradients rounded to {}", model::name(format_));
  return fmt::format("moves rows{}; {}; kernels '{}'; entity rows in {}; {}", rounded, candidates,
                     executor_.kernels().name, model::name(tables_.part(0).rows.format),
                     transport == nullptr ? "one rank exchanges nothing" : transport->description());
}

template <Space kSpace>
std::vector<kernels::ConstDeviceMatrix> RowsEngine<kSpace>::device_rows() const {
  if constexpr (kSpace == Space::kDevice) return tables_.fp32_rows();
  return {};
}

// ---- a segment

template <Space kSpace>
void RowsEngine<kSpace>::run_pass(const Pass& pass, EpochSums& sums, Progress* progress) {
  pass_ = pass;
  if (!are_uploaded_) tables_.upload();
  are_uploaded_ = true;
  loss_.start(sums);
  clock_.reset();
  prime();
  for (std::uint64_t step = pass.first_step; step < pass.end_step; ++step) {
    run_step(step);
    ++sums.steps;
    sums.terms += schedule_.size(step);
    if (progress != nullptr && progress->due()) {
      loss_.download();
      progress->update((pass.queries_of_run + sums.terms) / 2,
                       fmt::format("epoch {}, loss about {:.4f}", pass.epoch + 1, loss_.mean_so_far(sums.terms)));
    }
  }
  loss_.download();
  clock_.finish();
  loss_.gather(pass, sums);
}

// Fills the pipeline: the first two batches, and the rows of the first one. Every segment starts with fresh rows, so
// that a segment depends on the parameters before it alone.
template <Space kSpace>
void RowsEngine<kSpace>::prime() {
  const std::uint64_t first = pass_.first_step;
  for (std::uint64_t step = first; step < std::min(first + 2, pass_.end_step); ++step) ask_for_rows(step);
  put_lists(first);
  halo_->begin(lists(first).slot, HaloRows<kSpace>::kNone, lists(first).demand);
  halo_->patch(lists(first).slot, lists(first).demand);
}

template <Space kSpace>
void RowsEngine<kSpace>::ask_for_rows(std::uint64_t step) {
  draw_.draw(pass_.number, step);
  demand_.post(step % RowDemand::kSlots, draw_.requests(step));
}

// Makes the lists of a step whose rows were asked for.
template <Space kSpace>
void RowsEngine<kSpace>::put_lists(std::uint64_t step) {
  demand_.finish(step % RowDemand::kSlots);
  const std::uint64_t failed = draw_.put(step, demand_, loss_.first_failed_step(), lists(step));
  if (failed != QueryRelations::kNone) fail_not_finite(pass_, failed);
  draw_.ring().take(step);
}

template <Space kSpace>
template <class Body>
void RowsEngine<kSpace>::timed(Stage stage, const Body& body) {
  clock_.enter(stage);
  body();
  clock_.leave();
}

template <Space kSpace>
void RowsEngine<kSpace>::run_step(std::uint64_t step) {
  const Lists& now = lists(step);
  timed(Stage::kExchange, [&] { halo_->finish(now.slot); });
  prepare_next(step);
  fault_point("train.step", comm_.rank());
  clock_.begin_step(step);
  compute(now, step);
  update(now, pass_.steps_of_run + step);
  if (step + 1 < pass_.end_step) {
    clock_.enter(Stage::kExchange);
    halo_->patch(lists(step + 1).slot, lists(step + 1).demand);
  }
  clock_.end_step();
  clock_.leave();
  draw_.ring().done(step);
}

// Makes the lists of the next step and asks for the rows of the step after it.
template <Space kSpace>
void RowsEngine<kSpace>::prepare_next(std::uint64_t step) {
  if (step + 1 < pass_.end_step) {
    const Lists& next = lists(step + 1);
    timed(Stage::kDraw, [&] { put_lists(step + 1); });
    timed(Stage::kExchange, [&] { halo_->begin(next.slot, lists(step).slot, next.demand); });
  }
  if (step + 2 < pass_.end_step) timed(Stage::kDraw, [&] { ask_for_rows(step + 2); });
}

template <Space kSpace>
void RowsEngine<kSpace>::compute(const Lists& now, std::uint64_t step) {
  clock_.enter(Stage::kScore);
  step_.compute_queries(now, step, loss_.sums());
  comm_.progress();
  clock_.enter(Stage::kGradients);
  step_.negative_gradients(now);
  comm_.progress();
}

template <Space kSpace>
void RowsEngine<kSpace>::update(const Lists& now, std::uint64_t step_of_all) {
  const auto leaves = step_.relation_gradients(now);
  step_.sum_by_row(now);
  clock_.enter(Stage::kExchange);
  returns_.exchange(rounding_.bits(step_of_all));
  const auto relations = relation_sum_.sum(now.relations, leaves);
  clock_.enter(Stage::kUpdate);
  optimiser_.begin_step(step_of_all, pass_.epoch_steps);
  tables_.begin_step(step_of_all);
  step_.update(now, optimiser_);
  sides_.update(relations.rows, relations.ids, optimiser_);
}

template class RowsEngine<Space::kHost>;
template class RowsEngine<Space::kDevice>;

}  // namespace tessera::train
