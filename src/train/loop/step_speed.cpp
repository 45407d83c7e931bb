// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/step_speed.hpp"

#include "comm/self/self_communicator.hpp"
#include "train/engine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

namespace tessera::train {
namespace {

constexpr std::uint64_t kMostQueries = 1024;      // more are no faster
constexpr std::uint64_t kEntitiesOfThread = 512;  // on the host: two tiles
constexpr std::uint64_t kDeviceEntities = 8192;   // at most on a device, which takes a whole part at once
constexpr std::uint64_t kFewestEntities = 256;
constexpr double kSeconds = 0.1;

/// A made-up graph of one part.
struct MadeUp {
  std::uint64_t entities;
  std::uint64_t relations;
  std::uint64_t queries;
};

graph::Shard make_shard(const MadeUp& sizes, memory::Pool& pool) {
  graph::Shard shard{{}, graph::Placement(1, 1), Rank(0), {}};
  shard.manifest.method = "rehearsal";
  shard.manifest.entity_count = sizes.entities;
  shard.manifest.relation_count = sizes.relations;
  shard.manifest.offsets = {0, sizes.entities};
  std::vector<Query> made_up;
  for (std::uint64_t i = 0; i < sizes.queries; ++i)
    made_up.push_back({LocalRow(static_cast<std::uint32_t>(i * 2654435761U % sizes.entities)),
                       RelationId(static_cast<std::uint32_t>(i * 40503U % (2 * sizes.relations))),
                       EntityId(i * 2246822519U % sizes.entities)});
  shard.parts.push_back(graph::Part::made(shard.manifest, PartId(0),
                                          graph::to_columns(made_up, 2 * shard.manifest.relation_count), pool));
  shard.manifest.figures = {{sizes.entities, shard.parts.front().queries(graph::Split::kTrain).size(), 0, 0}};
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
  const graph::Shard shard = make_shard({rehearsal.entities, 1, job.train.batch_size}, pool);  // an epoch is a step
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

namespace {

/// The job of one rank alone, with about its work in a step.
Job rehearsed_job(const Job& job, const RankStep& step) {
  Job alone = job;
  const auto ranks = static_cast<std::uint64_t>(step.ranks);
  const bool moves_rows = job.exchange.mode == "rows";
  if (moves_rows) alone.train.batch_size = std::max<std::uint64_t>(1, job.train.batch_size / ranks);
  if (!moves_rows) alone.negatives.count = std::max<std::uint64_t>(1, job.negatives.count / ranks);
  alone.validate.every = 0;
  alone.average.decay = 0;
  alone.run.device = "cpu";
  return alone;
}

}  // namespace

double host_step_seconds(const Job& of_run, const RankStep& step, std::size_t threads) {
  constexpr std::uint64_t kMostEntities = 16384;
  constexpr std::uint64_t kSampledFrom = 262144;  // rows that no cache holds
  constexpr std::uint64_t kSteps = 4;
  const Job job = rehearsed_job(of_run, step);
  const bool all = job.negatives.scope == "all";
  const MadeUp sizes{std::min(step.entities, all ? kMostEntities : kSampledFrom), step.relations,
                     kSteps * job.train.batch_size};
  memory::Pool pool(std::uint64_t{1} << 38U);
  const auto comm = comm::make_self_communicator();
  const graph::Shard shard = make_shard(sizes, pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool, row_memory(shard, job));
  parameters.initialise(job.model, job.run.seed);
  const auto items = sampling::count_items(*comm, shard, job);
  const auto engine = make_engine(
      {*comm, shard, job, parameters, threads, execution::find_host_kernels(job.run.products), pool, items});
  (void)engine->run_epoch(0);
  const auto start = std::chrono::steady_clock::now();
  (void)engine->run_epoch(1);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double steps =
      std::max(1.0, std::ceil(static_cast<double>(items.front().items) / static_cast<double>(job.train.batch_size)));
  const double more = all ? static_cast<double>(step.entities) / static_cast<double>(sizes.entities) : 1;
  return seconds / steps * more;
}

double host_step_speed(const kernels::Backend& backend, std::size_t threads, const StepShape& shape) {
  return candidates_per_second(make_job(shape, "chain"), {backend, threads, threads * kEntitiesOfThread, nullptr});
}

double products_gain(const kernels::Backend& backend, std::size_t dim) {
  constexpr std::size_t kRows = 256;
  constexpr int kAttempts = 5;
  const std::vector<float> rows(kRows * dim, 0.5F);
  std::vector<float> scores(kRows * kRows);
  const kernels::ConstMatrix factor{rows.data(), kRows, dim, dim};
  const auto seconds = [&](const kernels::Backend& of) {
    const auto start = std::chrono::steady_clock::now();
    of.scores.all_pairs(kernels::Similarity::kDot, factor, factor, {scores.data(), kRows, kRows, kRows});
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double usual = seconds(kernels::cpu_backend());
  double own = seconds(backend);
  for (int attempt = 1; attempt < kAttempts; ++attempt) {
    usual = std::min(usual, seconds(kernels::cpu_backend()));
    own = std::min(own, seconds(backend));
  }
  return usual / own;
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
