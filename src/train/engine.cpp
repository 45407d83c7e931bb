// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/engine.hpp"

#include "core/log.hpp"
#include "execution/device_choice.hpp"
#include "model/row_formats.hpp"
#include "train/epoch_loss.hpp"
#include "train/queries/queries_engine.hpp"
#include "train/rows/rows_engine.hpp"
#include "train/rows/sizes.hpp"

#include <algorithm>

namespace tessera::train {
namespace {

using execution::DeviceExecutor;
using execution::HostExecutor;
using execution::HostThreads;
using execution::Space;

bool moves_queries(const Job& job) { return job.exchange.mode == "queries"; }

std::unique_ptr<RankExecution<Space::kHost>> on_host(const EngineSetup& setup) {
  const bool plans = setup.planned_device != nullptr;
  auto executor =
      std::make_unique<HostExecutor>(plans ? *setup.planned_device : setup.pool, setup.backend,
                                     plans ? HostThreads(1, HostThreads::Cut::kNone) : HostThreads(setup.threads));
  std::unique_ptr<comm::RankTransport<Space::kHost>> transport;
  if (setup.comm.size() > 1) transport = std::make_unique<comm::HostTransport>(setup.comm);
  return std::make_unique<RankExecution<Space::kHost>>(std::move(executor), std::move(transport));
}

// Products of relations convert their operands by themselves.
kernels::ProductSizes relation_products(const EngineSetup& setup) {
  const std::size_t relations = setup.parameters.relations().rows;
  kernels::ProductSizes most;
  if (setup.parameters.scorer().has_core()) most = {relations, setup.parameters.core().rows, 0};
  if (setup.job.relation_prediction.weight > 0) {
    const std::uint64_t targets = step_sizes(setup, item_schedule(setup)).targets;
    const auto queries = std::min<std::size_t>(targets, RelationPrediction<Space::kDevice>::kRoundTargets);
    most = {std::max(most.queries, queries), std::max(most.rows, relations), 0};
  }
  if (most.queries > 0) most.dim = setup.parameters.operators().cols;
  return most;
}

// So do those of moved rows, whose factors are used twice at most. The larger of the two, as memory.
kernels::ProductSizes converted_products(const EngineSetup& setup, kernels::Products products) {
  const kernels::ProductSizes of_relations = relation_products(setup);
  if (moves_queries(setup.job)) return of_relations;
  const RowsSizes sizes = rows_sizes(setup);
  const kernels::ProductSizes of_negatives{sizes.largest_own(), sizes.negatives, sizes.dim};
  const bool is_larger =
      kernels::workspace_bytes(products, of_negatives) > kernels::workspace_bytes(products, of_relations);
  return is_larger ? of_negatives : of_relations;
}

std::uint64_t staged_bytes(const EngineSetup& setup) {
  return moves_queries(setup.job) ? largest_exchange_bytes(setup)
                                  : rows_sizes(setup).largest_exchange_bytes(setup.shard);
}

std::unique_ptr<RankExecution<Space::kDevice>> on_device(const EngineSetup& setup) {
  const std::size_t parts = setup.shard.parts.size();
  if (parts > 1 && setup.comm.is_root())
    log::warning("a device computes {} parts one after the other; one is faster: data.parts = {}", parts,
                 setup.comm.size());
  const kernels::Products products = execution::find_products(setup.job.run.products);
  auto executor = std::make_unique<DeviceExecutor>(
      *setup.device_pool, DeviceExecutor::Options{products, converted_products(setup, products), setup.links});
  std::unique_ptr<comm::RankTransport<Space::kDevice>> transport;
  if (setup.links != nullptr)
    transport = std::make_unique<comm::NcclTransport>(*setup.links, executor->stream());
  else if (setup.comm.size() > 1)
    transport = std::make_unique<execution::StagedTransport<Space::kDevice>>(setup.comm, *executor, setup.pool,
                                                                             staged_bytes(setup));
  return std::make_unique<RankExecution<Space::kDevice>>(std::move(executor), std::move(transport));
}

}  // namespace

model::RowMemory row_formats(const Job& job) {
  model::RowMemory memory;
  memory.format = model::find_row_format(job.run.rows);
  memory.state_format = model::find_state_format(job.optimiser.state);
  memory.hot_fraction = job.memory.hot_rows;
  return memory;
}

model::RowMemory row_memory(const graph::Shard& shard, const Job& job) {
  model::RowMemory memory = row_formats(job);
  if (moves_queries(job)) return memory;
  const exchange::RowSizes sizes = row_sizes(shard.manifest, job);
  for (const graph::Part& part : shard.parts) memory.spare_rows.push_back(sizes.remote[part.id().index()]);
  return memory;
}

// ---- segments

// A segment of the default size has as many operations of its scores and their gradients: tens of seconds on some
// cores. It has so many steps at least that filling the pipeline takes no time to speak of.
constexpr double kSegmentOperations = 2e13;
constexpr double kFewestSteps = 64;
// What a query costs beside its candidates, as that of so many candidates.
constexpr double kCandidatesBeside = 100;
// What it costs to fetch and change rows of a table that no cache holds, in operations: so many, and more per number of
// a row. From runs with 86 M entities, dim 10 and 100, on two cores.
constexpr double kCachedBytes = 64e6;
constexpr double kFetchOperations = 5e5;
constexpr double kFetchOperationsOfNumber = 8e3;

std::uint64_t segment_steps(const Job& job, const graph::PartitionManifest& manifest) {
  if (job.train.segment_steps > 0) return job.train.segment_steps;
  const auto dim = static_cast<double>(job.model.dim);
  const double candidates = static_cast<double>(negative_count(manifest, job)) + kCandidatesBeside;
  const auto relation = static_cast<double>(model::find_scorer(job.model.name).operator_dim(job.model.dim));
  const bool is_cached = static_cast<double>(manifest.entity_count) * dim * sizeof(float) < kCachedBytes;
  const double of_query =
      6 * (dim * candidates + relation) + (is_cached ? 0 : kFetchOperations + kFetchOperationsOfNumber * dim);
  const double of_step = static_cast<double>(job.train.batch_size) * of_query;
  return static_cast<std::uint64_t>(std::max(kFewestSteps, kSegmentOperations / of_step));
}

double Engine::run_epoch(std::uint32_t epoch, Progress* progress) {
  sums_.clear();
  for (std::uint64_t segment = 0; segment < segments(); ++segment) run_segment(epoch, segment, sums_, progress);
  return mean_loss(sums_);
}

PassEngine::PassEngine(const EngineSetup& setup) : segment_steps_(segment_steps(setup.job, setup.shard.manifest)) {}

std::uint64_t PassEngine::segments() const { return (steps() + segment_steps_ - 1) / segment_steps_; }

void PassEngine::run_segment(std::uint32_t epoch, std::uint64_t segment, EpochSums& sums, Progress* progress) {
  Pass pass{epoch, epoch, epoch * steps(), 0, steps(), epoch * queries()};
  pass.first_step = steps() * segment / segments();  // equal segments
  pass.end_step = steps() * (segment + 1) / segments();
  run_pass(pass, sums, progress);
}

namespace {

void check_weights(const EngineSetup& setup) {
  if (!setup.shard.has_weights()) return;
  if (setup.job.loss.name == "bce")
    fail(ExitStatus::kUsage,
         "the triples of this graph have weights, and loss 'bce' cannot weigh them; use softmax, margin or "
         "self_adversarial, or import the graph without --weight");
}

}  // namespace

std::unique_ptr<PassEngine> make_engine(const EngineSetup& setup) {
  check_weights(setup);
  const auto make = [&]<Space kSpace>(std::unique_ptr<RankExecution<kSpace>> execution) -> std::unique_ptr<PassEngine> {
    if (moves_queries(setup.job)) return std::make_unique<QueriesEngine<kSpace>>(setup, std::move(execution));
    return std::make_unique<RowsEngine<kSpace>>(setup, std::move(execution));
  };
  return setup.device_pool == nullptr ? make(on_host(setup)) : make(on_device(setup));
}

}  // namespace tessera::train
