// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The engine on a device: the losses of the CPU, the same bits from run to run. Two ranks that share the device merge
// statistics with the exp of the host, one rank with that of the device: their losses agree, their last bits need not.

#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/job.hpp"
#include "memory/pool.hpp"
#include "model/checkpoint.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

namespace tessera {
namespace {

constexpr std::uint32_t kParts = 3;
constexpr std::uint64_t kPoolBytes = std::uint64_t{128} << 20U;

Job small_job() {
  Job job;
  job.model.dim = 16;
  job.model.init_scale = 0.3;
  job.train.batch_size = 200;
  job.negatives.scope = "all";
  job.exchange.mode = "queries";
  job.regulariser.name = "n3";
  job.regulariser.weight = 0.01;
  job.run.device = "cuda";
  job.run.products = "chain";
  return job;
}

struct Result {
  std::string digest;
  std::vector<double> losses;
};

Result train(comm::Communicator& comm, const test::StoredGraph& stored, const Job& job) {
  memory::Pool pool(kPoolBytes);
  std::optional<memory::DevicePool> device_pool;
  if (job.run.device == "cuda") device_pool.emplace(device::Device::open(0), kPoolBytes);
  const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool);
  const auto engine = train::make_engine({comm, shard, job, parameters, 1, kernels::cpu_backend(), pool,
                                          train::count_items(comm, shard, job), device_pool ? &*device_pool : nullptr});
  parameters.initialise(job.model, job.run.seed);
  Result result;
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) result.losses.push_back(engine->run_epoch(epoch));
  engine->fetch_parameters();
  result.digest = model::parameter_digest(comm, shard, parameters);
  return result;
}

void expect_near(const Result& a, const Result& b, double relative) {
  for (std::size_t epoch = 0; epoch < a.losses.size(); ++epoch)
    EXPECT_NEAR(a.losses[epoch], b.losses[epoch], relative * std::abs(b.losses[epoch])) << "epoch " << epoch + 1;
}

class ResidentOnDevice : public testing::TestWithParam<bool> {};

TEST_P(ResidentOnDevice, FollowsTheCpuAndRepeats) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  job.train.group_queries = GetParam();
  job.relation_prediction.weight = GetParam() ? 0.5 : 0;
  Job on_cpu = job;
  on_cpu.run.device = "cpu";
  const auto self = comm::make_self_communicator();
  const Result expected = train(*self, stored, on_cpu);
  const Result first = train(*self, stored, job);
  expect_near(first, expected, 1e-6);
  EXPECT_EQ(train(*self, stored, job).digest, first.digest);
  Result shared;
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    const Result mine = train(comm, stored, job);
    if (comm.rank() == Rank(0)) shared = mine;
  });
  expect_near(shared, first, 1e-6);
  for (const auto& [products, tolerance] : {std::pair("fp32", 1e-5), {"tf32", 1e-2}, {"bf16", 3e-2}}) {
    job.run.products = products;
    const Result result = train(*self, stored, job);
    expect_near(result, expected, tolerance);
    EXPECT_EQ(train(*self, stored, job).digest, result.digest) << products;
  }
}

// Rows in bfloat16: copied to fp32 for chains, as they are for products in bfloat16, and gathered where they are
// sampled.
TEST_P(ResidentOnDevice, LearnsWithRowsInBfloat16) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  job.negatives.scope = GetParam() ? "all" : "global";
  const auto self = comm::make_self_communicator();
  for (const auto& [products, tolerance] : {std::pair("chain", 5e-3), {"tf32", 1e-2}, {"bf16", 3e-2}}) {
    job.run.products = products;
    job.run.rows = "fp32";
    const Result exact = train(*self, stored, job);
    job.run.rows = "bf16";
    const Result rounded = train(*self, stored, job);
    expect_near(rounded, exact, tolerance);
    EXPECT_NE(rounded.digest, exact.digest) << products;
    EXPECT_EQ(train(*self, stored, job).digest, rounded.digest) << products;
  }
}

INSTANTIATE_TEST_SUITE_P(Jobs, ResidentOnDevice, testing::Bool());

}  // namespace
}  // namespace tessera
