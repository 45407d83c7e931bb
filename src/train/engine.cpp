// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/engine.hpp"

#include "core/log.hpp"
#include "execution/device_choice.hpp"
#include "train/queries/queries_engine.hpp"
#include "train/rows_engine.hpp"

#include <algorithm>

namespace tessera::train {
namespace {

using execution::DeviceExecutor;
using execution::HostExecutor;
using execution::HostThreads;
using execution::Space;

bool moves_queries(const Job& job) { return job.exchange.mode == "queries"; }

std::unique_ptr<RankExecution<Space::kHost>> on_host(const EngineSetup& setup) {
  auto executor = std::make_unique<HostExecutor>(setup.pool, setup.backend, HostThreads(setup.threads));
  std::unique_ptr<comm::RankTransport<Space::kHost>> transport;
  if (setup.comm.size() > 1) transport = std::make_unique<comm::HostTransport>(setup.comm);
  return std::make_unique<RankExecution<Space::kHost>>(std::move(executor), std::move(transport));
}

// Products of relations convert their operands by themselves.
kernels::ProductSizes converted_products(const EngineSetup& setup) {
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

std::unique_ptr<RankExecution<Space::kDevice>> on_device(const EngineSetup& setup) {
  const std::size_t parts = setup.shard.parts.size();
  if (parts > 1 && setup.comm.rank() == Rank(0))
    log::warning("a device computes {} parts one after the other; one is faster: data.parts = {}", parts,
                 setup.comm.size());
  auto executor = std::make_unique<DeviceExecutor>(
      *setup.device_pool, DeviceExecutor::Options{execution::find_products(setup.job.run.products),
                                                  converted_products(setup), setup.links});
  std::unique_ptr<comm::RankTransport<Space::kDevice>> transport;
  if (setup.links != nullptr)
    transport = std::make_unique<comm::NcclTransport>(*setup.links, executor->stream());
  else if (setup.comm.size() > 1)
    transport = std::make_unique<execution::StagedTransport<Space::kDevice>>(setup.comm, *executor, setup.pool,
                                                                             largest_exchange_bytes(setup));
  return std::make_unique<RankExecution<Space::kDevice>>(std::move(executor), std::move(transport));
}

}  // namespace

std::vector<std::uint64_t> halo_rows(const graph::Shard& shard, const Job& job) {
  if (moves_queries(job)) return {};
  return RowsEngine::halo_rows(shard, job);
}

std::unique_ptr<Engine> make_engine(const EngineSetup& setup) {
  if (!moves_queries(setup.job)) return std::make_unique<RowsEngine>(setup);
  if (setup.device_pool == nullptr) return std::make_unique<QueriesEngine<Space::kHost>>(setup, on_host(setup));
  return std::make_unique<QueriesEngine<Space::kDevice>>(setup, on_device(setup));
}

}  // namespace tessera::train
