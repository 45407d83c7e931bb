// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The engine that moves queries on a device: the losses of the CPU, the same bits from run to run, and on one rank and
// several, whether they have a device each or share one.

#include "gpu/device_runs.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tessera {
namespace {

constexpr std::uint32_t kParts = 3;

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

using test::expect_near;
using test::train_alone;
using test::train_two;
using test::TwoRanks;
using Result = test::DeviceRun;

struct Case {
  const char* name;
  void (*change)(Job&);
};

class QueriesOnDevice : public testing::TestWithParam<Case> {};

TEST_P(QueriesOnDevice, FollowsTheCpuAndRepeats) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  GetParam().change(job);
  Job on_cpu = job;
  on_cpu.run.device = "cpu";
  const Result expected = train_alone(stored, on_cpu);
  const Result first = train_alone(stored, job);
  expect_near(first, expected, 1e-6);
  EXPECT_EQ(train_alone(stored, job).digest, first.digest);
  EXPECT_EQ(train_two(stored, job, TwoRanks::kShareADevice).digest, first.digest) << "two ranks share the device";
  EXPECT_EQ(train_two(stored, job, TwoRanks::kShareADevice).digest, first.digest);
  for (const auto& [products, tolerance] : {std::pair("fp32", 1e-5), {"tf32", 1e-2}, {"bf16", 3e-2}}) {
    job.run.products = products;
    const Result result = train_alone(stored, job);
    expect_near(result, expected, tolerance);
    EXPECT_EQ(train_alone(stored, job).digest, result.digest) << products;
    EXPECT_EQ(train_two(stored, job, TwoRanks::kShareADevice).digest, result.digest) << products << ", two ranks";
  }
}

TEST_P(QueriesOnDevice, TwoDevicesHaveTheBitsOfOne) {
  if (device::device_count() < 2) GTEST_SKIP() << "one device: two ranks cannot have one each";
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  GetParam().change(job);
  const Result one = train_alone(stored, job);
  const Result two = train_two(stored, job, TwoRanks::kHaveOneEach);
  EXPECT_EQ(two.losses, one.losses);
  EXPECT_EQ(two.digest, one.digest);
}

// Rank 0 on the device, rank 1 on the cores.
TEST_P(QueriesOnDevice, WorksWithARankOnTheCpu) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  GetParam().change(job);
  Job on_cpu = job;
  on_cpu.run.device = "cpu";
  const Result first = train_two(stored, job, TwoRanks::kOneOnTheCpu);
  expect_near(first, train_alone(stored, on_cpu), 1e-6);
  EXPECT_EQ(train_two(stored, job, TwoRanks::kOneOnTheCpu).digest, first.digest);
}

// Rows in bfloat16: copied to fp32 for chains, as they are for products in bfloat16, and gathered where they are
// sampled.
TEST_P(QueriesOnDevice, LearnsWithRowsInBfloat16) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 800}), kParts);
  Job job = small_job();
  GetParam().change(job);
  for (const auto& [products, tolerance] : {std::pair("chain", 5e-3), {"tf32", 1e-2}, {"bf16", 3e-2}}) {
    job.run.products = products;
    job.run.rows = "fp32";
    const Result exact = train_alone(stored, job);
    job.run.rows = "bf16";
    const Result rounded = train_alone(stored, job);
    expect_near(rounded, exact, tolerance);
    EXPECT_NE(rounded.digest, exact.digest) << products;
    EXPECT_EQ(train_alone(stored, job).digest, rounded.digest) << products;
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

INSTANTIATE_TEST_SUITE_P(Jobs, QueriesOnDevice,
                         testing::Values(Case{"Softmax", [](Job&) {}}, Case{"RelationPrediction", predict_relations},
                                         Case{"Sampled", sample}, Case{"TuckEr", tucker}),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(QueriesOnDeviceWeights, FollowTheCpuAndRepeat) {
  test::TestGraph graph = test::random_graph({.entities = 900, .train = 800});
  test::add_weights(graph);
  const test::StoredGraph stored(graph, kParts);
  for (const auto change : {+[](Job&) {}, &predict_relations, &sample}) {
    Job job = small_job();
    change(job);
    Job on_cpu = job;
    on_cpu.run.device = "cpu";
    const Result first = train_alone(stored, job);
    expect_near(first, train_alone(stored, on_cpu), 1e-6);
    EXPECT_EQ(train_alone(stored, job).digest, first.digest);
  }
}

}  // namespace
}  // namespace tessera
