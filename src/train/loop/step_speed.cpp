// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/step_speed.hpp"

#include "comm/self/self_communicator.hpp"
#include "train/engine.hpp"

#include <algorithm>
#include <chrono>

namespace tessera::train {
namespace {

constexpr std::uint64_t kMostQueries = 1024;      // more are no faster
constexpr std::uint64_t kEntitiesOfThread = 512;  // on the host: two tiles
constexpr std::uint64_t kDeviceEntities = 8192;   // at most on a device, which takes a whole part at once
constexpr std::uint64_t kFewestEntities = 256;
constexpr double kSeconds = 0.1;

/// A made-up graph of one part: a step of exact softmax is an epoch.
graph::Shard make_shard(std::uint64_t entities, std::uint64_t queries, memory::Pool& pool) {
  graph::Shard shard{{}, graph::Placement(1, 1), Rank(0), {}};
  shard.manifest.method = "rehearsal";
  shard.manifest.entity_count = entities;
  shard.manifest.relation_count = 1;
  shard.manifest.offsets = {0, entities};
  std::vector<Query> made_up;
  for (std::uint64_t i = 0; i < queries; ++i)
    made_up.push_back({LocalRow(static_cast<std::uint32_t>(i * 7 % entities)), RelationId(i < queries / 2 ? 0U : 1U),
                       EntityId(i * 11 % entities)});
  shard.parts.push_back(graph::Part::made(shard.manifest, PartId(0),
                                          graph::to_columns(made_up, 2 * shard.manifest.relation_count), pool));
  shard.manifest.figures = {{entities, shard.parts.front().queries(graph::Split::kTrain).size(), 0, 0}};
  return shard;
}

Job make_job(const StepShape& shape, const std::string& products) {
  Job job;
  job.model.name = "distmult";
  job.model.dim = shape.dim;
  job.train.batch_size = std::min<std::uint64_t>(shape.queries, kMostQueries);
  job.negatives.scope = "all";
  job.exchange.mode = "queries";
  job.exchange.scores = "keep";
  job.run.products = products;
  return job;
}

// More than a step takes of the host and, with every matrix twice, of a device.
std::uint64_t bytes_for(const Job& job, std::uint64_t entities, std::size_t threads) {
  const std::uint64_t queries = job.train.batch_size;
  const std::uint64_t floats = (6 * entities + 12 * queries + 1500 * threads) * (job.model.dim + 64) +
                               3 * queries * (entities + 64 * threads) + 256 * queries;
  return 2 * sizeof(float) * floats + (std::uint64_t{1} << 20U);
}

struct Rehearsal {
  const kernels::Backend& backend;
  std::size_t threads;
  std::uint64_t entities;
  memory::DevicePool* device_pool;
};

double candidates_per_second(const Job& job, const Rehearsal& rehearsal) {
  memory::Pool pool(bytes_for(job, rehearsal.entities, rehearsal.threads));
  const auto comm = comm::make_self_communicator();
  const graph::Shard shard = make_shard(rehearsal.entities, job.train.batch_size, pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool);
  parameters.initialise(job.model, job.run.seed);
  const auto engine = make_engine({*comm, shard, job, parameters, rehearsal.threads, rehearsal.backend, pool,
                                   sampling::count_items(*comm, shard, job), rehearsal.device_pool});
  (void)engine->run_epoch(0);
  const auto start = std::chrono::steady_clock::now();
  std::uint32_t epochs = 0;
  double seconds = 0;
  while (seconds < kSeconds) {
    (void)engine->run_epoch(++epochs);
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return static_cast<double>(epochs * rehearsal.entities) / seconds;
}

}  // namespace

double host_step_speed(const kernels::Backend& backend, std::size_t threads, const StepShape& shape) {
  return candidates_per_second(make_job(shape, "chain"), {backend, threads, threads * kEntitiesOfThread, nullptr});
}

double device_step_speed(const execution::DeviceShare& share, const std::string& products, const StepShape& shape) {
  const Job job = make_job(shape, products);
  const std::uint64_t workspace_bytes = kernels::workspace_bytes(execution::find_products(products), {});
  std::uint64_t entities = kDeviceEntities;
  while (entities > kFewestEntities && bytes_for(job, entities, 1) + workspace_bytes > share.bytes) entities /= 2;
  memory::DevicePool device_pool(share.device, bytes_for(job, entities, 1) + workspace_bytes);
  return candidates_per_second(job, {kernels::cpu_backend(), 1, entities, &device_pool});
}

}  // namespace tessera::train
