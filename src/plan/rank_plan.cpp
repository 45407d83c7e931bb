// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/rank_plan.hpp"

#include "checkpoint/score_sum.hpp"
#include "comm/planned/planned_communicator.hpp"
#include "core/text.hpp"
#include "evaluate/evaluator.hpp"
#include "model/scorer.hpp"
#include "plan/outside.hpp"
#include "predict/searcher.hpp"
#include "search/setup.hpp"
#include "train/engine.hpp"
#include "train/loop/job_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>

namespace tessera::plan {
namespace {

using memory::Pool;
using memory::Tag;

constexpr std::uint64_t kPinnedBytes = std::uint64_t{8} << 20U;  // two slots of execution::Staging

/// A rank whose queries have been planned already.
struct Ready {
  const PlannedRank& planned;
  Job job;  // exchange.mode is decided
  comm::Communicator& comm;
  const graph::Shard& shard;
  Pool& pool;
  Pool& device;
};

model::Parameters make_parameters(const Ready& ready, Pool& pool) {
  return {ready.shard,
          ready.job.model,
          model::state_shape(ready.job.optimiser.name),
          pool,
          {train::halo_rows(ready.shard, ready.job)}};
}

void plan_evaluator(const Ready& ready, const model::Parameters& parameters, const evaluate::Options& options) {
  execution::HostExecutor host(ready.pool, kernels::cpu_backend(), execution::HostThreads(ready.planned.threads));
  const search::Setup setup{ready.comm, ready.shard, parameters, host};
  const evaluate::Evaluator evaluator(setup, options);
}

void plan_training(const Ready& ready) {
  model::Parameters parameters = make_parameters(ready, ready.pool);
  if (ready.job.average.decay > 0) parameters.keep_average(ready.shard, ready.job.model, ready.pool);
  if (ready.planned.items.empty()) return;
  train::EngineSetup setup{ready.comm, ready.shard,           ready.job,
                           parameters, ready.planned.threads, kernels::cpu_backend(),
                           ready.pool, ready.planned.items};
  if (ready.planned.on_device) {
    (void)make_parameters(ready, ready.device);
    setup.planned_device = &ready.device;
  }
  const auto engine = train::make_engine(setup);
  if (ready.job.validate.every == 0 || !ready.planned.sizes.has_validation) return;
  evaluate::Options options;
  options.filter = evaluate::Filter::kTrainValid;
  options.max_triples = ready.job.validate.max_triples;
  plan_evaluator(ready, parameters.served(), options);
}

void plan_serving(Stage stage, const Ready& ready) {
  const model::Parameters parameters(ready.shard, ready.job.model, model::StateShape::kNone, ready.pool);
  if (stage == Stage::kEvaluate) return plan_evaluator(ready, parameters, {});
  execution::HostExecutor host(ready.pool, kernels::cpu_backend(), execution::HostThreads(ready.planned.threads));
  predict::Searcher::plan({ready.comm, ready.shard, parameters, host}, {});
}

RankPlan plan_export(const PlannedRank& planned) {
  Pool pool = Pool::planning(planned.budget_bytes);
  checkpoint::ModelShape shape;
  shape.dim = planned.job.model.dim;
  shape.entity_count = planned.sizes.manifest.entity_count;
  (void)checkpoint::take_window(shape, pool);
  RankPlan plan;
  plan.host[static_cast<std::size_t>(Tag::kRows)] = pool.use(Tag::kRows).bytes;
  return plan;
}

RankPlan plan_parts(Stage stage, const PlannedRank& planned) {
  Pool pool = Pool::planning(planned.budget_bytes);
  Pool device = Pool::planning();
  const auto place = graph::choose_query_place(
      planned.job.memory.queries, planned.sizes.file_bytes(planned.rank, planned.placement), planned.budget_bytes);
  const graph::Shard shard = planned.sizes.shard(planned.rank, planned.placement, pool, place);
  const auto comm = comm::make_planned_communicator(
      {planned.rank, planned.placement.rank_count(), std::max(1, planned.ranks_on_host)});
  Ready ready{planned, planned.job, *comm, shard, pool, device};
  ready.job.exchange.mode = train::choose_exchange(planned.job, shard.manifest, planned.on_device).mode;
  if (stage == Stage::kTrain)
    plan_training(ready);
  else
    plan_serving(stage, ready);
  RankPlan plan;
  for (std::size_t tag = 0; tag < plan.host.size(); ++tag) plan.host[tag] = pool.use(static_cast<Tag>(tag)).bytes;
  plan.device = device.used_bytes();
  if (planned.on_device) plan.pinned = kPinnedBytes;
  return plan;
}

}  // namespace

const char* name(Stage stage) {
  constexpr std::array<const char*, kStages.size()> kNames = {"train", "evaluate", "predict", "export"};
  return kNames.at(static_cast<std::size_t>(stage));
}

std::uint64_t RankPlan::pool_bytes() const { return std::accumulate(host.begin(), host.end(), std::uint64_t{0}); }

std::string RankPlan::describe() const {
  std::vector<std::size_t> order(host.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return host[a] > host[b]; });
  std::string text;
  for (const std::size_t tag : order)
    if (host[tag] > 0)
      text +=
          fmt::format("{}{} {}", text.empty() ? "" : ", ", memory::name(static_cast<Tag>(tag)), text::bytes(host[tag]));
  return text;
}

RankPlan plan_rank(Stage stage, const PlannedRank& planned) {
  RankPlan plan = stage == Stage::kExport ? plan_export(planned) : plan_parts(stage, planned);
  plan.outside = outside_bytes(stage, planned);
  return plan;
}

}  // namespace tessera::plan
