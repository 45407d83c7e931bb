// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Training with products in bf16 on the CPU: the same bits on any number of ranks and threads, and the memory of fp32.

#include "kernels/cpu/targets.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine_runs.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera {
namespace {

using Case = test::JobCase;
using Kind = test::EngineKind;

const std::vector<Case> kCases = {
    {"Exact", [](Job&) {}},
    {"Recomputed", [](Job& job) { job.exchange.scores = "recompute"; }},
    {"GroupedRelationPrediction",
     [](Job& job) {
       job.train.group_queries = true;
       job.relation_prediction.weight = 0.5;
     }},
    {"Binary",
     [](Job& job) {
       job.loss.name = "bce";
       job.train.group_queries = true;
     }},
    {"RowsInBf16", [](Job& job) { job.run.rows = "bf16"; }},
    {"TuckEr",
     [](Job& job) {
       job.model.name = "tucker";
       job.model.relation_dim = 5;
     }},
    {"Sampled", [](Job& job) { job.negatives.scope = "global"; }},
    {"MovedRows",
     [](Job& job) {
       job.negatives.scope = "global";
       job.exchange.mode = "rows";
     }},
};

class Bf16Products : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!kernels::cpu::has_bfloat16_products()) GTEST_SKIP() << "this processor does not multiply in bfloat16";
    GetParam().change(job_);
  }

  // Parts of several tiles.
  test::StoredGraph stored_{test::random_graph({.entities = 900, .train = 150, .valid = 400, .test = 400}), 3};
  Job job_ = test::small_job();
};

TEST_P(Bf16Products, HaveTheSameBitsOnRanksAndThreads) {
  const kernels::Backend& backend = kernels::cpu_bfloat16_backend();
  const auto expected = test::train_alone(stored_, job_, Kind::kBlocks, backend);
  for (const std::int32_t ranks : {2, 3})
    EXPECT_EQ(test::train_on(ranks, stored_, job_, Kind::kBlocks, backend), expected) << ranks << " ranks";
  const auto comm = comm::make_self_communicator();
  for (const std::size_t threads : {2, 3})
    EXPECT_EQ(test::Trained(*comm, stored_, job_, Kind::kBlocks, backend, threads).run(0, 2), expected)
        << threads << " threads";
}

TEST_P(Bf16Products, TakeTheMemoryOfFp32AndTrainAlike) {
  const auto fp32 = test::train_alone(stored_, job_, Kind::kBlocks, kernels::cpu_backend());
  const auto bf16 = test::train_alone(stored_, job_, Kind::kBlocks, kernels::cpu_bfloat16_backend());
  EXPECT_EQ(bf16.used, fp32.used);
  EXPECT_NE(bf16.digest, fp32.digest);
  EXPECT_NEAR(bf16.losses.back(), fp32.losses.back(), 0.01 * fp32.losses.back());
}

INSTANTIATE_TEST_SUITE_P(Jobs, Bf16Products, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace tessera
