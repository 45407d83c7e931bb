// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/engine.hpp"

#include "train/queries_engine.hpp"
#include "train/resident/device_engine.hpp"
#include "train/rows_engine.hpp"

namespace tessera::train {
namespace {

bool moves_queries(const Job& job) { return job.exchange.mode == "queries"; }

}  // namespace

std::vector<std::uint64_t> halo_rows(const graph::Shard& shard, const Job& job) {
  if (moves_queries(job)) return {};
  return RowsEngine::halo_rows(shard, job);
}

std::unique_ptr<Engine> make_engine(const EngineSetup& setup) {
  if (setup.device_pool != nullptr) return make_device_engine(setup);
  if (moves_queries(setup.job)) return std::make_unique<QueriesEngine>(setup);
  return std::make_unique<RowsEngine>(setup);
}

}  // namespace tessera::train
