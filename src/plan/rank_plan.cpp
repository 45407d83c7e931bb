// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/rank_plan.hpp"

#include "checkpoint/mapped_tables.hpp"
#include "checkpoint/score_sum.hpp"
#include "checkpoint/table_copy.hpp"
#include "comm/planned/planned_communicator.hpp"
#include "core/text.hpp"
#include "evaluate/evaluator.hpp"
#include "model/scorer.hpp"
#include "plan/outside.hpp"
#include "predict/searcher.hpp"
#include "search/setup.hpp"
#include "train/engine.hpp"
#include "train/loop/job_rules.hpp"
#include "train/rounds/rounds_engine.hpp"

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

/// Tables that take no memory of the pool.
class TablesInFiles final : public model::TableStore {
 public:
  std::span<std::byte> allocate(PartId /*part*/, std::uint64_t /*bytes*/) override { return {}; }
  void put_away(PartId /*part*/) override {}
};

model::Parameters make_parameters(const Ready& ready, Pool& pool) {
  return {ready.shard, ready.job.model, model::state_shape(ready.job.optimiser.name), pool,
          train::row_memory(ready.shard, ready.job)};
}

// A round as large as all others, whose parts are as large as the largest part.
void plan_round(const Ready& ready, const graph::Placement& slots, model::Parameters& parameters) {
  const graph::PartitionManifest& whole = ready.planned.sizes.manifest;
  const std::uint64_t rounds = train::RoundOrder::swaps(whole.part_count(), slots.part_count()) + 1;
  const std::uint64_t queries = whole.query_count() / rounds + 1;
  GraphSizes sizes;
  sizes.manifest.relation_count = whole.relation_count;
  if (ready.shard.has_weights()) sizes.weight_bytes = GraphSizes::kWeightBytes;
  const std::uint64_t rows = parameters.parts().front().rows.rows;
  for (std::uint64_t slot = 0; slot <= slots.part_count(); ++slot) sizes.manifest.offsets.push_back(slot * rows);
  sizes.manifest.entity_count = sizes.manifest.offsets.back();
  sizes.manifest.figures.assign(slots.part_count(), {rows, queries / slots.part_count() + 1, 0, 0});
  const graph::Shard shard = sizes.shard(ready.planned.rank, slots, ready.pool, graph::QueryPlace::kMemory);
  parameters.parts().resize(shard.parts.size());
  for (std::size_t s = 0; s < shard.parts.size(); ++s) parameters.parts()[s].part = shard.parts[s].id();
  train::EngineSetup setup{ready.comm, shard, ready.job, parameters, ready.planned.threads, kernels::cpu_backend(),
                           ready.pool, {}};
  setup.round = train::RoundOrder::round_of(whole.part_count(), slots.part_count(), whole.entity_count);
  setup.items.assign(slots.part_count(), {queries / slots.part_count() + 1, 1});
  const auto engine = train::make_engine(setup);
}

void plan_rounds(const Ready& ready, std::uint32_t resident) {
  const graph::PartitionManifest& whole = ready.planned.sizes.manifest;
  const graph::Placement slots(resident, ready.planned.placement.rank_count());
  const train::SlotTables tables(ready.job, whole, slots, ready.planned.rank, ready.pool);
  plan_round(ready, slots, *tables.parameters);
}

void plan_evaluator(const Ready& ready, const model::Parameters& parameters, const evaluate::Options& options) {
  execution::HostExecutor host(ready.pool, kernels::cpu_backend(), execution::HostThreads(ready.planned.threads));
  const search::Setup setup{{ready.comm, ready.shard, host}, parameters};
  const evaluate::Evaluator evaluator(setup, options);
}

void plan_training(const Ready& ready) {
  const std::uint32_t resident = resident_parts(ready.job);
  TablesInFiles files;
  model::RowMemory rows = train::row_memory(ready.shard, ready.job);
  if (resident > 0) {
    train::require_resident_parts(ready.job, ready.planned.placement.rank_count());
    rows = train::row_formats(ready.job);
    rows.store = &files;
    plan_rounds(ready, resident);
  }
  model::Parameters parameters(ready.shard, ready.job.model, model::state_shape(ready.job.optimiser.name), ready.pool,
                               rows);
  if (ready.job.average.decay > 0) parameters.keep_average(ready.shard, ready.job.model, ready.pool);
  if (ready.planned.items.empty()) return;
  train::EngineSetup setup{ready.comm, ready.shard,           ready.job,
                           parameters, ready.planned.threads, kernels::cpu_backend(),
                           ready.pool, ready.planned.items};
  if (resident == 0 && ready.planned.on_device) {
    (void)make_parameters(ready, ready.device);
    setup.planned_device = &ready.device;
  }
  const auto engine = resident == 0 ? train::make_engine(setup) : nullptr;
  if (ready.job.validate.every > 0 && ready.planned.sizes.has_validation) {
    evaluate::Options options;
    options.filter = evaluate::Filter::kTrainValid;
    options.max_triples = ready.job.validate.max_triples;
    plan_evaluator(ready, parameters.served(), options);
  }
  if (resident == 0 && !ready.planned.on_device && ready.job.checkpoint.background)
    const checkpoint::TableCopy copy(parameters, ready.pool);
}

void plan_serving(Stage stage, const Ready& ready) {
  const std::optional<kernels::RowFormat>& exported = ready.planned.exported_rows;
  TablesInFiles files;
  model::RowMemory rows = exported ? model::RowMemory{.format = *exported} : train::row_formats(ready.job);
  const std::uint64_t bytes = model::row_bytes(ready.shard, ready.job.model, rows);
  if (!exported && checkpoint::are_mapped(bytes, ready.planned.budget_bytes)) rows.store = &files;
  const model::Parameters parameters(ready.shard, ready.job.model, model::StateShape::kNone, ready.pool, rows);
  if (stage == Stage::kEvaluate) return plan_evaluator(ready, parameters, {});
  execution::HostExecutor host(ready.pool, kernels::cpu_backend(), execution::HostThreads(ready.planned.threads));
  predict::Searcher::plan({{ready.comm, ready.shard, host}, parameters}, {});
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
  const graph::Shard shard =
      planned.sizes.shard(planned.rank, planned.placement, pool, {place, stage == Stage::kTrain});
  const auto comm = comm::make_planned_communicator(
      {planned.rank, planned.placement.rank_count(), std::max(1, planned.ranks_on_host)});
  Ready ready{planned, planned.job, *comm, shard, pool, device};
  if (stage == Stage::kTrain && planned.job.memory.resident_parts == "auto")
    ready.job.memory.resident_parts = train::choose_resident_parts(
        planned.job, planned.sizes.manifest, planned.placement.rank_count(),
        (planned.budget_bytes - std::min(planned.budget_bytes, pool.used_bytes())) / 4 * 3);
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

std::uint64_t RankPlan::needed_bytes() const {
  return pool_bytes() - host.at(static_cast<std::size_t>(Tag::kCheckpoint));
}

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
