// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The engine that moves rows on a device: the losses of the CPU, the same bits from run to run, and on one rank and
// several, whether they have a device each or share one.

#include "gpu/device_runs.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tessera {
namespace {

using test::expect_near;
using test::train_alone;
using test::train_two;
using test::TwoRanks;
using Result = test::DeviceRun;

constexpr std::uint32_t kParts = 3;

struct Case {
  const char* name;
  void (*change)(Job&);
  [[nodiscard]] Job job() const {
    Job job;
    job.model.dim = 16;
    job.model.init_scale = 0.3;
    job.train.batch_size = 200;
    job.negatives.count = 70;
    job.exchange.mode = "rows";
    job.regulariser.name = "n3";
    job.regulariser.weight = 0.01;
    job.loss.margin = 0.7;
    job.run.device = "cuda";
    job.run.products = "chain";
    change(job);
    return job;
  }
};

Job on_cpu(Job job) {
  job.run.device = "cpu";
  return job;
}

class RowsOnDevice : public testing::TestWithParam<Case> {
 protected:
  static const test::StoredGraph& stored() {
    static const test::StoredGraph graph(test::random_graph({.entities = 900, .train = 800}), kParts);
    return graph;
  }
};

TEST_P(RowsOnDevice, FollowsTheCpuAndRepeats) {
  Job job = GetParam().job();
  const Result expected = train_alone(stored(), on_cpu(job));
  const Result first = train_alone(stored(), job);
  expect_near(first, expected, 1e-5);
  EXPECT_EQ(train_alone(stored(), job).digest, first.digest);
  EXPECT_EQ(train_two(stored(), job, TwoRanks::kShareADevice).digest, first.digest) << "two ranks share the device";
  for (const auto& [products, tolerance] : {std::pair("fp32", 1e-5), {"tf32", 1e-2}, {"bf16", 3e-2}}) {
    job.run.products = products;
    const Result result = train_alone(stored(), job);
    expect_near(result, expected, tolerance);
    EXPECT_EQ(train_alone(stored(), job).digest, result.digest) << products;
    EXPECT_EQ(train_two(stored(), job, TwoRanks::kShareADevice).digest, result.digest) << products << ", two ranks";
  }
}

TEST_P(RowsOnDevice, TwoDevicesHaveTheBitsOfOne) {
  if (device::device_count() < 2) GTEST_SKIP() << "one device: two ranks cannot have one each";
  const Job job = GetParam().job();
  const Result one = train_alone(stored(), job);
  const Result two = train_two(stored(), job, TwoRanks::kHaveOneEach);
  EXPECT_EQ(two.losses, one.losses);
  EXPECT_EQ(two.digest, one.digest);
}

TEST_P(RowsOnDevice, WorksWithARankOnTheCpu) {
  const Job job = GetParam().job();
  const Result first = train_two(stored(), job, TwoRanks::kOneOnTheCpu);
  expect_near(first, train_alone(stored(), on_cpu(job)), 1e-5);
  EXPECT_EQ(train_two(stored(), job, TwoRanks::kOneOnTheCpu).digest, first.digest);
}

void transe(Job& job) {
  job.model.name = "transe_l1";
  job.loss.name = "margin";
}

void transe_stale(Job& job) {
  job.model.name = "transe_l2";
  job.exchange.staleness = 1;
  job.optimiser.name = "rowwise_adagrad";
}

void rotate(Job& job) {
  job.model.name = "rotate";
  job.loss.name = "self_adversarial";
  job.optimiser.name = "adam";
  job.optimiser.learning_rate = 0.01;
  job.dropout.entity = 0.2;
}

INSTANTIATE_TEST_SUITE_P(Jobs, RowsOnDevice,
                         testing::Values(Case{"ComplEx", [](Job&) {}}, Case{"TransE", transe},
                                         Case{"TransEStale", transe_stale}, Case{"RotatE", rotate}),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(RowsOnDeviceWeights, FollowTheCpuAndRepeat) {
  test::TestGraph graph = test::random_graph({.entities = 900, .train = 800});
  test::add_weights(graph);
  const test::StoredGraph weighted(graph, kParts);
  for (const auto change : {&transe, &rotate, +[](Job& job) { job.model.name = "distmult"; }}) {
    const Job job = Case{"", change}.job();
    const Result first = train_alone(weighted, job);
    expect_near(first, train_alone(weighted, on_cpu(job)), 1e-5);
    EXPECT_EQ(train_alone(weighted, job).digest, first.digest);
  }
}

}  // namespace
}  // namespace tessera
