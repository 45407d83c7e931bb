// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What fits, how many ranks it takes, and which settings save memory.

#include "plan/planner.hpp"
#include "core/error.hpp"
#include "plan/partition_plan.hpp"
#include "plan/refusal.hpp"
#include "plan/settings.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace tessera::plan {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

Job job_of(std::uint64_t parts) {
  Job job;
  job.data.graph = "not-there.kg";
  job.data.parts = parts;
  job.model.dim = 64;
  job.train.batch_size = 1024;
  job.negatives.scope = "all";
  job.exchange.mode = "queries";
  job.exchange.scores = "keep";
  return job;
}

Node node_of(std::uint64_t bytes) {
  return {[bytes](const Job&, int ranks) {
            return memory::Budget{bytes / static_cast<std::uint64_t>(ranks), 0, "a test"};
          },
          [](const Job&, int) { return std::size_t{1}; }};
}

struct Planned {
  explicit Planned(const Job& job, std::uint64_t node_bytes)
      : sizes(find_sizes(job, Counts{100000, 20, 400000})),
        planner(sizes, find_items(job, sizes), node_of(node_bytes)) {}
  GraphSizes sizes;
  Planner planner;
};

TEST(Planner, MoreNodesTakeLessOfEach) {
  const Job job = job_of(16);
  const Planned planned(job, 4096 * kMiB);
  const StagePlan one = planned.planner.plan(Stage::kTrain, job, {1, 1});
  const StagePlan four = planned.planner.plan(Stage::kTrain, job, {4, 1});
  EXPECT_TRUE(planned.sizes.is_estimate());
  EXPECT_GT(one.fullest.host[static_cast<std::size_t>(memory::Tag::kRows)], 100000 * 64 * sizeof(float));
  EXPECT_LT(four.fullest.pool_bytes(), one.fullest.pool_bytes() / 2);
  EXPECT_EQ(one.node_bytes, one.fullest.all_bytes());
  EXPECT_GT(planned.planner.plan(Stage::kTrain, job, {4, 2}).node_bytes, four.fullest.all_bytes());
}

TEST(Planner, FindsTheFewestRanks) {
  const Job job = job_of(16);
  const std::uint64_t wanted = Planned(job, 1).planner.plan(Stage::kTrain, job, {5, 1}).fullest.pool_bytes();
  const Planned planned(job, wanted);
  const auto smallest = planned.planner.smallest(std::array{Stage::kTrain}, job, {1, 1});
  ASSERT_TRUE(smallest);
  EXPECT_TRUE(planned.planner.plan(Stage::kTrain, job, *smallest).fits());
  EXPECT_FALSE(planned.planner.plan(Stage::kTrain, job, {smallest->ranks - 1, 1}).fits());
  EXPECT_FALSE(Planned(job, kMiB).planner.smallest(std::array{Stage::kTrain}, job, {1, 1}));
}

TEST(Planner, SettingsSaveWhatTheySay) {
  Job job = job_of(16);
  const Planned planned(job, 4096 * kMiB);
  const Advice advice = planned.planner.advise(Stage::kTrain, job, {1, 1});
  ASSERT_FALSE(advice.settings.empty());
  EXPECT_EQ(advice.settings.front().text, "memory.queries=stream");
  const std::uint64_t before = planned.planner.plan(Stage::kTrain, job, {1, 1}).fullest.needed_bytes();
  for (const Setting& setting : advice.settings) {
    const auto changed = changed_job(job, {setting.text}, 1);
    ASSERT_TRUE(changed) << setting.text;
    EXPECT_EQ(before - planned.planner.plan(Stage::kTrain, *changed, {1, 1}).fullest.needed_bytes(),
              setting.saves_bytes)
        << setting.text;
  }
}

TEST(Planner, SettingsThatDoNotFitTheJobAreLeftOut) {
  EXPECT_FALSE(changed_job(job_of(4), {"run.rows=a_format"}, 1));
  EXPECT_FALSE(changed_job(job_of(4), {"no.key=1"}, 1));
  Job bce = job_of(4);
  bce.loss.name = "bce";
  bce.train.group_queries = true;
  EXPECT_FALSE(changed_job(bce, {"negatives.scope=global"}, 1));
}

TEST(Refusal, NamesPurposesAndWhatWouldFit) {
  const Job job = job_of(16);
  const GraphSizes sizes = find_sizes(job, Counts{100000, 20, 400000});
  const graph::Placement placement(16, 1);
  const Node node = node_of(300 * kMiB);
  PlannedRank rank{job, sizes, placement, Rank(0), 1, 1, 300 * kMiB, find_items(job, sizes)};
  try {
    require_fit({Stage::kTrain, rank, {1, 1}, node});
    FAIL() << "it does not fit";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kOverBudget);
    const std::string message = error.what();
    for (const char* part : {"300.0 MiB is too small", "'train' needs", "logits 4", "rows 2",
                             "exchange.scores=recompute", "ranks", "'tessera plan' says more"})
      EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
  }
  rank.budget_bytes = 4096 * kMiB;
  require_fit({Stage::kTrain, rank, {1, 1}, node});
}

TEST(Sizes, WrongCountsAreRefused) {
  const auto status = [](const Counts& counts) {
    try {
      (void)find_sizes(job_of(8), counts);
      return ExitStatus::kDone;
    } catch (const Error& error) {
      return error.status();
    }
  };
  EXPECT_EQ(status({0, 1, 1}), ExitStatus::kUsage);
  EXPECT_EQ(status({100, 1, 0}), ExitStatus::kUsage);
  EXPECT_EQ(status({7, 1, 10}), ExitStatus::kUsage);
  EXPECT_EQ(status({std::uint64_t{1} << 40U, 1, 10}), ExitStatus::kUsage);
  EXPECT_EQ(status({8, 1, 10}), ExitStatus::kDone);
}

TEST(PartitionPlan, MetisTakesNinetyBytesOfAnEdge) {
  const auto plans = plan_partition(1000000, 10000000);
  ASSERT_EQ(plans.size(), 2U);
  EXPECT_GE(plans[0].metis_bytes, 90U * 10000000U);
  EXPECT_LT(plans[1].bytes(), plans[0].bytes());
}

}  // namespace
}  // namespace tessera::plan
