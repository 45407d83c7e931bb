// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampled_step.hpp"

#include "comm/self/self_communicator.hpp"
#include "core/parallel.hpp"
#include "core/random.hpp"
#include "model/parameters.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

namespace tessera::bench {
namespace {

/// Entities by how often they are drawn.
class Draws {
 public:
  explicit Draws(const SampledShape& shape)
      : stream_(shape.seed, Purpose::kSplit), spread_(shape.entities, RandomStream(shape.seed, Purpose::kPartition)) {}
  [[nodiscard]] std::uint64_t entity(std::uint64_t index) const {
    const double share = std::pow(stream_.uniform(index), 4);
    const auto place = static_cast<std::uint64_t>(share * static_cast<double>(spread_.size()));
    return spread_(std::min(place, spread_.size() - 1));
  }

 private:
  RandomStream stream_;
  Permutation spread_;
};

std::vector<Query> draw_queries(const SampledShape& shape, std::size_t threads) {
  const std::uint64_t count = shape.batch * shape.steps;
  const Draws draws(shape);
  const RandomStream relations(shape.seed, Purpose::kInit);
  std::vector<Query> queries(count);
  parallel_for(threads, threads, [&](std::size_t t) {
    for (std::uint64_t i = count * t / threads; i < count * (t + 1) / threads; ++i) {
      const double u = relations.uniform(i);  // relation R u^2
      queries[i] = {LocalRow(static_cast<std::uint32_t>(draws.entity(2 * i))),
                    RelationId(static_cast<std::uint32_t>(static_cast<double>(2 * shape.relations) * u * u)),
                    EntityId(draws.entity(2 * i + 1))};
    }
  });
  return queries;
}

graph::Shard draw_shard(const SampledShape& shape, std::size_t threads, memory::Pool& pool) {
  graph::Shard shard{{}, graph::Placement(1, 1), Rank(0), {}};
  shard.manifest.method = "drawn";
  shard.manifest.entity_count = shape.entities;
  shard.manifest.relation_count = shape.relations;
  shard.manifest.offsets = {0, shape.entities};
  shard.parts.push_back(
      graph::Part::made(shard.manifest, PartId(0),
                        graph::to_columns(draw_queries(shape, threads), 2 * shard.manifest.relation_count), pool));
  shard.manifest.figures = {{shape.entities, shard.parts.front().queries(graph::Split::kTrain).size(), 0, 0}};
  return shard;
}

std::uint64_t row_bytes(const SampledShape& shape) { return kernels::row_bytes(kernels::RowFormat::kBf16, shape.dim); }

/// Numbers between -0.1 and 0.1, a table of them over and over: drawing each takes longer than all that is measured.
void fill(kernels::StoredRows rows, std::size_t threads) {
  constexpr std::size_t kNumbers = 65521;
  const RandomStream stream(1, Purpose::kInit);
  std::vector<float> numbers(kNumbers);
  for (std::size_t k = 0; k < kNumbers; ++k) numbers[k] = static_cast<float>(0.2 * stream.uniform(k) - 0.1);
  constexpr std::size_t kRowsAtOnce = 256;
  parallel_for((rows.rows + kRowsAtOnce - 1) / kRowsAtOnce, threads, [&](std::size_t piece) {
    const std::size_t first = piece * kRowsAtOnce;
    const std::size_t count = std::min(kRowsAtOnce, rows.rows - first);
    std::vector<float> values(count * rows.cols);
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = numbers[(first * rows.cols + k) % kNumbers];
    model::encode({values.data(), count, rows.cols, rows.cols}, rows.block(first, count));
  });
}

/// Of the first step's sources, targets and candidates; every step's are drawn alike.
double distinct_rows(const SampledShape& shape, const graph::QuerySet& queries) {
  const RandomStream stream(shape.seed, Purpose::kNegatives);
  std::vector<std::uint64_t> rows;
  for (std::uint64_t i = 0; i < shape.batch; ++i) {
    const Query query = queries.query(i * queries.size() / shape.batch);
    rows.push_back(query.source.value());
    rows.push_back(query.target.value());
  }
  for (std::uint64_t k = 0; k < shape.negatives; ++k) rows.push_back(stream.below(k, shape.entities));
  std::sort(rows.begin(), rows.end());
  return static_cast<double>(std::unique(rows.begin(), rows.end()) - rows.begin());
}

}  // namespace

std::uint64_t entities_that_fit(const SampledShape& shape, std::uint64_t device_bytes, std::uint64_t host_bytes) {
  const std::uint64_t step_bytes = shape.batch * (10 * shape.negatives + 60 * shape.dim) +
                                   16 * shape.relations * shape.dim + (std::uint64_t{1} << 28U);
  const std::uint64_t host_step_bytes = 500 * shape.batch + 24 * shape.batch * shape.steps + (std::uint64_t{1} << 28U);
  const std::uint64_t entity_bytes = row_bytes(shape) + sizeof(float);  // there and here
  const auto room = [](std::uint64_t bytes, std::uint64_t taken) { return bytes - std::min(bytes, taken); };
  return std::min({shape.entities, room(device_bytes, step_bytes) / entity_bytes,
                   room(host_bytes, host_step_bytes) / entity_bytes});
}

Job sampled_job(const SampledShape& shape, const std::string& device) {
  Job job;
  job.data.parts = 1;
  job.run.device = device;
  job.run.rows = "bf16";
  job.run.seed = shape.seed;
  job.model.name = "distmult";
  job.model.dim = shape.dim;
  job.train.batch_size = shape.batch;
  job.negatives.count = shape.negatives;
  job.negatives.scope = "global";
  job.optimiser.name = "rowwise_adagrad";
  job.exchange.mode = "queries";
  return job;
}

double touched_bytes(const SampledShape& shape, double distinct) {
  const auto row = static_cast<double>(row_bytes(shape));
  const auto batch = static_cast<double>(shape.batch);
  const auto negatives = static_cast<double>(shape.negatives);
  const double rows_read = (3 * batch + negatives) * row;
  const double updates = distinct * 2 * (row + sizeof(float));
  const double gradients = 2 * (2 * batch + negatives) * static_cast<double>(shape.dim * sizeof(float));
  const double scores = 2 * batch * negatives * sizeof(float);
  return rows_read + updates + gradients + scores;
}

SampledResult measure_sampled(const SampledShape& shape, const Job& job, memory::Pool& host, memory::DevicePool* device,
                              const MakeEngine& make) {
  const std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
  const auto comm = comm::make_self_communicator();
  const graph::Shard shard = draw_shard(shape, threads, host);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), host,
                               train::row_memory(shard, job));
  fill(parameters.parts().front().rows, threads);
  fill(parameters.relations(), threads);
  const auto engine = make({*comm, shard, job, parameters, threads, kernels::cpu_backend(), host,
                            sampling::count_items(*comm, shard, job), device});
  (void)engine->run_epoch(0);
  const auto start = std::chrono::steady_clock::now();
  SampledResult result;
  result.loss = engine->run_epoch(1);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  result.seconds = seconds.count() / static_cast<double>(shape.steps);
  result.distinct_rows = distinct_rows(shape, shard.parts.front().queries(graph::Split::kTrain));
  result.bytes = touched_bytes(shape, result.distinct_rows);
  return result;
}

}  // namespace tessera::bench
