// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The engine that moves queries has the same bits in blocks, as the host runs it, and on whole parts, as a device does:
// over every backend and on any number of ranks. Over host_grid these are the kernels of a device.

#include "kernels/cuda/host_grid.hpp"
#include "support/expect_error.hpp"
#include "train/engine_runs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace tessera {
namespace {

using kernels::Backend;

using test::kRunParts;
using test::small_job;
using test::train_alone;
using test::train_on;
using test::Trained;
using Case = test::JobCase;
using Kind = test::EngineKind;
using Result = test::RunResult;

void expect_several_ranks(const test::StoredGraph& stored, const Job& job, const Result& expected,
                          const Backend& backend, std::initializer_list<std::int32_t> counts) {
  for (const std::int32_t ranks : counts) {
    EXPECT_EQ(train_on(ranks, stored, job, Kind::kWhole, backend), expected) << ranks << " ranks, direct";
    EXPECT_EQ(train_on(ranks, stored, job, Kind::kStaged, backend), expected) << ranks << " ranks, through the host";
  }
}

void predict_relations(Job& job) {
  job.train.group_queries = true;
  job.relation_prediction.weight = 0.5;
}

void binary_loss(Job& job) {
  job.loss.name = "bce";
  job.train.group_queries = true;
}

void tucker(Job& job) {
  job.model.name = "tucker";
  job.model.dim = 7;
  job.model.relation_dim = 5;
}

const std::vector<Case> kCases = {
    {"ComplEx", [](Job&) {}},
    {"ComplExGrouped", [](Job& job) { job.train.group_queries = true; }},
    {"ComplExRelationPrediction", predict_relations},
    {"ComplExSampled",
     [](Job& job) {
       job.negatives.scope = "global";
       job.optimiser.name = "sgd";
     }},
    {"SampledBiasedRelationPrediction",
     [](Job& job) {
       job.negatives.scope = "global";
       job.negatives.unbiased = false;
       job.relation_prediction.weight = 0.5;
     }},
    {"DistMultRowwiseL2",
     [](Job& job) {
       job.model.name = "distmult";
       job.optimiser.name = "rowwise_adagrad";
       job.regulariser.name = "l2";
     }},
    {"CpAdamDura",
     [](Job& job) {
       job.model.name = "cp";
       job.optimiser.name = "adam";
       job.regulariser.name = "dura";
       job.schedule = {"warmup", 1.5};
     }},
    {"RescalIvrRelationPrediction",
     [](Job& job) {
       predict_relations(job);
       job.model.name = "rescal";
       job.model.dim = 7;
       job.regulariser = {"ivr", 0.02, 3, 0.01, 0.03};
     }},
    {"ComplExWithoutRegulariser", [](Job& job) { job.regulariser = {}; }},
    {"ComplExBinary", binary_loss},
    {"DistMultBinarySmoothedRelationPrediction",
     [](Job& job) {
       binary_loss(job);
       job.model.name = "distmult";
       job.loss.smoothing = 0.1;
       job.relation_prediction.weight = 0.5;
       job.optimiser.name = "adam";
     }},
    {"ComplExDropout",
     [](Job& job) {
       job.model.dim = 14;
       job.dropout = {.entity = 0.3, .relation = 0.2};
     }},
    {"CpDropoutOfSourcesSampledRelationPrediction",
     [](Job& job) {
       job.model.name = "cp";
       job.negatives.scope = "global";
       job.dropout.entity = 0.5;
       job.relation_prediction.weight = 0.5;
     }},
    {"RescalDropoutOfRelationsDura",
     [](Job& job) {
       job.model.name = "rescal";
       job.model.dim = 7;
       job.dropout.relation = 0.4;
       job.optimiser.name = "rowwise_adagrad";
       job.regulariser.name = "dura";
     }},
    {"TuckErN3", tucker},
    {"TuckErSgdL2Sampled",
     [](Job& job) {
       tucker(job);
       job.negatives.scope = "global";
       job.optimiser.name = "sgd";
       job.regulariser.name = "l2";
     }},
    {"TuckErRowwiseIvr",
     [](Job& job) {
       tucker(job);
       job.optimiser.name = "rowwise_adagrad";
       job.regulariser = {"ivr", 0.02, 3, 0.01, 0.03};
     }},
    {"TuckErAsPublished",
     [](Job& job) {
       tucker(job);
       binary_loss(job);
       job.loss.smoothing = 0.1;
       job.dropout = {.entity = 0.3, .relation = 0.4};
       job.optimiser.name = "adam";
       job.regulariser = {};
     }},
    {"TuckErRelationPrediction",
     [](Job& job) {
       tucker(job);
       predict_relations(job);
       job.dropout.relation = 0.2;
       job.optimiser.name = "adam";
       job.regulariser.name = "dura";
     }},
};

class QueriesEngine : public testing::TestWithParam<Case> {};

TEST_P(QueriesEngine, OnWholePartsHasTheBitsOfBlocks) {
  const test::StoredGraph stored(test::random_graph({.train = 120}), kRunParts);
  Job job = small_job();
  GetParam().change(job);
  const auto expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
  EXPECT_GT(expected.losses.back(), 0);
  for (const Backend* backend : {&kernels::cpu_backend(), &kernels::host_grid_backend(kernels::GridOrder::kForward),
                                 &kernels::host_grid_backend(kernels::GridOrder::kBackward)}) {
    const auto result = train_alone(stored, job, Kind::kStaged, *backend);
    EXPECT_EQ(result, expected) << backend->name;
  }
  expect_several_ranks(stored, job, expected, kernels::cpu_backend(), {2, 3, 5});
  EXPECT_EQ(train_on(3, stored, job, Kind::kWhole, kernels::host_grid_backend(kernels::GridOrder::kBackward)), expected)
      << "3 ranks, direct, kernel bodies of a device";
}

// The softmax of the reference has bits of its own, and both engines must have them.
TEST_P(QueriesEngine, HasTheBitsOfBlocksOverTheReference) {
  const test::StoredGraph stored(test::random_graph({}), kRunParts);
  Job job = small_job();
  GetParam().change(job);
  const Backend& reference = kernels::reference_backend();
  EXPECT_EQ(train_alone(stored, job, Kind::kStaged, reference), train_alone(stored, job, Kind::kBlocks, reference));
}

// Ranks with and without a device in one run, with unequal numbers of parts.
TEST_P(QueriesEngine, OnWholePartsWorksWithRanksThatHaveBlocks) {
  const test::StoredGraph stored(test::random_graph({}), kRunParts);
  Job job = small_job();
  GetParam().change(job);
  const auto expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
  for (const char* placement : {"4,1", "1,4", "1,3,1", "equal"}) {
    job.run.placement = placement;
    const auto ranks = static_cast<std::int32_t>(std::count(placement, placement + std::strlen(placement), ',') + 1);
    EXPECT_EQ(train_on(std::max(ranks, 2), stored, job, Kind::kMixed, kernels::cpu_backend()), expected) << placement;
  }
}

INSTANTIATE_TEST_SUITE_P(Jobs, QueriesEngine, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

// Parts of several tiles, the last of them not full.
TEST(QueriesEngineTiles, AreAddedInTheSameOrder) {
  const test::StoredGraph stored(test::random_graph({.entities = 1300, .train = 100, .valid = 400, .test = 400}), 2);
  Job job = small_job();
  job.train.batch_size = 300;
  const auto expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
  for (const Backend* backend : {&kernels::cpu_backend(), &kernels::host_grid_backend(kernels::GridOrder::kForward)})
    EXPECT_EQ(train_alone(stored, job, Kind::kStaged, *backend), expected) << backend->name;
  expect_several_ranks(stored, job, expected, kernels::cpu_backend(), {2});
}

// Sums over tiles in more than one round of the fixed lanes.
TEST(QueriesEngineTiles, OfABinaryLossAreAddedInTheSameOrder) {
  const test::StoredGraph stored(test::random_graph({.entities = 4400, .train = 30, .valid = 2000, .test = 2000}), 1);
  Job job = small_job();
  binary_loss(job);
  job.model.dim = 4;
  job.loss.smoothing = 0.2;
  const auto expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
  for (const Backend* backend : {&kernels::cpu_backend(), &kernels::host_grid_backend(kernels::GridOrder::kForward)})
    EXPECT_EQ(train_alone(stored, job, Kind::kStaged, *backend), expected) << backend->name;
}

// A step has fewer relations than there are: operators are made of those of the step alone.
TEST(QueriesEngineOperators, OfTheRelationsOfAStepAreMade) {
  const test::StoredGraph stored(test::random_graph({.relations = 90, .train = 120}), kRunParts);
  Job job = small_job();
  tucker(job);
  job.train.batch_size = 50;
  for (const double dropped : {0.0, 0.3}) {
    job.dropout.relation = dropped;
    const auto expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
    for (const Backend* backend : {&kernels::cpu_backend(), &kernels::host_grid_backend(kernels::GridOrder::kForward)})
      EXPECT_EQ(train_alone(stored, job, Kind::kStaged, *backend), expected) << backend->name;
    expect_several_ranks(stored, job, expected, kernels::cpu_backend(), {2, 5});
  }
}

// More targets of a part than relation prediction takes in a round.
TEST(QueriesEngineRounds, AreAddedInTheSameOrder) {
  const test::StoredGraph stored(test::random_graph({.entities = 200, .train = 1500}), 2);
  Job job = small_job();
  job.train.batch_size = 3000;
  job.relation_prediction.weight = 0.5;
  const auto expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
  EXPECT_EQ(train_alone(stored, job, Kind::kStaged, kernels::cpu_backend()), expected);
  expect_several_ranks(stored, job, expected, kernels::cpu_backend(), {2});
}

// Steps in which parts, and whole ranks, have no query.
TEST(QueriesEngineSteps, MayBeSmallerThanTheNumberOfParts) {
  const test::StoredGraph stored(test::random_graph({.entities = 60, .train = 40}), kRunParts);
  Job job = small_job();
  job.train.batch_size = 3;
  for (const double weight : {0.0, 0.5}) {
    job.relation_prediction.weight = weight;
    const auto expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
    EXPECT_EQ(train_alone(stored, job, Kind::kStaged, kernels::cpu_backend()), expected);
    expect_several_ranks(stored, job, expected, kernels::cpu_backend(), {2, 3, 4, 5});
  }
}

// Weights of triples, through every kernel that takes them.
TEST(QueriesEngineWeights, HaveTheBitsOfBlocks) {
  test::TestGraph graph = test::random_graph({.train = 120});
  test::add_weights(graph);
  const test::StoredGraph stored(graph, kRunParts);
  for (const auto change : {+[](Job&) {}, +predict_relations, +[](Job& job) { job.negatives.scope = "global"; }}) {
    Job job = small_job();
    change(job);
    const auto expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
    for (const kernels::GridOrder order : {kernels::GridOrder::kForward, kernels::GridOrder::kBackward})
      EXPECT_EQ(train_alone(stored, job, Kind::kStaged, kernels::host_grid_backend(order)), expected);
    expect_several_ranks(stored, job, expected, kernels::cpu_backend(), {3});
  }
}

class QueriesEngineLoss : public testing::TestWithParam<Case> {};

// All ranks end together and name the step, whichever engine they have.
TEST_P(QueriesEngineLoss, ThatIsNotANumberNamesItsStep) {
  const test::StoredGraph stored(test::random_graph({}), kRunParts);
  Job job = small_job();
  GetParam().change(job);
  for (const Kind kind : {Kind::kWhole, Kind::kStaged, Kind::kMixed})
    comm::run_ranks(3, [&](comm::Communicator& comm) {
      Trained trained(comm, stored, job, kind, kernels::cpu_backend());
      if (comm.rank() == Rank(1)) trained.parameters.parts().front().rows.matrix().row(0)[0] = std::nanf("");
      test::expect_error(ExitStatus::kBadData, {"not a finite number", "epoch 1, step 1;", "learning_rate"},
                         [&] { trained.engine->run_epoch(0, nullptr); });
    });
}

INSTANTIATE_TEST_SUITE_P(Jobs, QueriesEngineLoss,
                         testing::Values(Case{"ComplEx", [](Job&) {}}, Case{"Binary", binary_loss},
                                         Case{"TuckEr", tucker}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// Blocks are spread over threads.
TEST(QueriesEngineThreads, ChangeNoBit) {
  const test::StoredGraph stored(test::random_graph({.entities = 1300, .train = 100, .valid = 400, .test = 400}), 2);
  for (const char* scope : {"all", "global"}) {
    Job job = small_job();
    job.negatives.scope = scope;
    job.relation_prediction.weight = 0.5;
    job.dropout = {.entity = 0.2, .relation = 0.2};
    const auto expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
    const auto comm = comm::make_self_communicator();
    for (const std::size_t threads : {2, 5})
      EXPECT_EQ(Trained(*comm, stored, job, Kind::kBlocks, kernels::cpu_backend(), threads).run(0, 2), expected)
          << threads << " threads, candidates: " << scope;
  }
}

// On the host the engine trains the parameters themselves, whatever format their rows have.
TEST(QueriesEngineParameters, AreTrainedInPlace) {
  const test::StoredGraph stored(test::random_graph({}), kRunParts);
  const auto comm = comm::make_self_communicator();
  for (const char* rows : {"fp32", "bf16", "int8"}) {
    Job job = small_job();
    job.run.rows = rows;
    Trained trained(*comm, stored, job, Kind::kWhole, kernels::cpu_backend());
    const auto digest = [&] { return checkpoint::parameter_digest(*comm, trained.shard, trained.parameters); };
    const std::string before = digest();
    const std::uint64_t allocations = trained.pool.allocation_count();
    trained.engine->run_epoch(0, nullptr);
    EXPECT_FALSE(trained.engine->holds_parameters());
    EXPECT_NE(digest(), before);
    EXPECT_EQ(trained.pool.allocation_count(), allocations);
    EXPECT_GT(trained.parameters.parts().front().state.matrix().row(0)[0], 0.0F);
  }
}

}  // namespace
}  // namespace tessera
