// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The engine on a device: the losses of the CPU, the same bits from run to run, and on one rank and several, whether
// they have a device each or share one.

#include "comm/nccl/nccl_communicator.hpp"
#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/job.hpp"
#include "memory/pool.hpp"
#include "model/checkpoint.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <memory>
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

/// `links`: of devices, the rank's number being that of its device; without them all ranks are on the first one.
Result train(comm::Communicator& comm, const test::StoredGraph& stored, const Job& job,
             comm::DeviceCommunicator* links = nullptr) {
  memory::Pool pool(kPoolBytes);
  std::optional<memory::DevicePool> device_pool;
  if (job.run.device == "cuda")
    device_pool.emplace(device::Device::open(links == nullptr ? 0 : comm.rank().value()), kPoolBytes);
  const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool);
  const auto engine =
      train::make_engine({comm, shard, job, parameters, 1, kernels::cpu_backend(), pool,
                          train::count_items(comm, shard, job), device_pool ? &*device_pool : nullptr, links});
  parameters.initialise(job.model, job.run.seed);
  Result result;
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) result.losses.push_back(engine->run_epoch(epoch));
  engine->download_parameters();
  result.digest = model::parameter_digest(comm, shard, parameters);
  return result;
}

Result train_two(const test::StoredGraph& stored, const Job& job, bool on_devices_of_their_own) {
  Result result;
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    std::unique_ptr<comm::DeviceCommunicator> links;
    if (on_devices_of_their_own)
      links = comm::make_nccl_communicator(comm, device::Device::open(comm.rank().value()), std::chrono::seconds(60));
    const Result mine = train(comm, stored, job, links.get());
    if (comm.rank() == Rank(0)) result = mine;
  });
  return result;
}

void expect_near(const Result& a, const Result& b, double relative) {
  for (std::size_t epoch = 0; epoch < a.losses.size(); ++epoch)
    EXPECT_NEAR(a.losses[epoch], b.losses[epoch], relative * std::abs(b.losses[epoch])) << "epoch " << epoch + 1;
}

struct Case {
  const char* name;
  void (*change)(Job&);
};

class ResidentOnDevice : public testing::TestWithParam<Case> {};

TEST_P(ResidentOnDevice, FollowsTheCpuAndRepeats) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  GetParam().change(job);
  Job on_cpu = job;
  on_cpu.run.device = "cpu";
  const auto self = comm::make_self_communicator();
  const Result expected = train(*self, stored, on_cpu);
  const Result first = train(*self, stored, job);
  expect_near(first, expected, 1e-6);
  EXPECT_EQ(train(*self, stored, job).digest, first.digest);
  EXPECT_EQ(train_two(stored, job, false).digest, first.digest) << "two ranks share the device";
  EXPECT_EQ(train_two(stored, job, false).digest, first.digest);
  for (const auto& [products, tolerance] : {std::pair("fp32", 1e-5), {"tf32", 1e-2}, {"bf16", 3e-2}}) {
    job.run.products = products;
    const Result result = train(*self, stored, job);
    expect_near(result, expected, tolerance);
    EXPECT_EQ(train(*self, stored, job).digest, result.digest) << products;
    EXPECT_EQ(train_two(stored, job, false).digest, result.digest) << products << ", two ranks";
  }
}

TEST_P(ResidentOnDevice, TwoDevicesHaveTheBitsOfOne) {
  if (device::device_count() < 2) GTEST_SKIP() << "one device: two ranks cannot have one each";
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  GetParam().change(job);
  const Result one = train(*comm::make_self_communicator(), stored, job);
  const Result two = train_two(stored, job, true);
  EXPECT_EQ(two.losses, one.losses);
  EXPECT_EQ(two.digest, one.digest);
}

// Rank 0 on the device, rank 1 on the cores.
TEST_P(ResidentOnDevice, WorksWithARankOnTheCpu) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  GetParam().change(job);
  Job on_cpu = job;
  on_cpu.run.device = "cpu";
  const auto mixed = [&] {
    Result result;
    comm::run_ranks(2, [&](comm::Communicator& comm) {
      const Result mine = train(comm, stored, comm.rank() == Rank(0) ? job : on_cpu);
      if (comm.rank() == Rank(0)) result = mine;
    });
    return result;
  };
  const Result first = mixed();
  expect_near(first, train(*comm::make_self_communicator(), stored, on_cpu), 1e-6);
  EXPECT_EQ(mixed().digest, first.digest);
}

// Rows in bfloat16: copied to fp32 for chains, as they are for products in bfloat16, and gathered where they are
// sampled.
TEST_P(ResidentOnDevice, LearnsWithRowsInBfloat16) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  GetParam().change(job);
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

void predict_relations(Job& job) {
  job.train.group_queries = true;
  job.relation_prediction.weight = 0.5;
}

void sample(Job& job) { job.negatives.scope = "global"; }

void tucker(Job& job) {
  job.model.name = "tucker";
  job.model.relation_dim = 8;
  job.loss = {.name = "bce", .smoothing = 0.1};
  job.train.group_queries = true;
  job.dropout = {.entity = 0.2, .relation = 0.3};
}

INSTANTIATE_TEST_SUITE_P(Jobs, ResidentOnDevice,
                         testing::Values(Case{"Softmax", [](Job&) {}}, Case{"RelationPrediction", predict_relations},
                                         Case{"Sampled", sample}, Case{"TuckEr", tucker}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace tessera
