// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The engine whose data stays in one memory space, on the host: over every backend it gives the parameters and losses
// of QueriesEngine, bit for bit, on any number of ranks. Over host_grid these are the kernels of a device.

#include "train/resident/resident_engine.hpp"
#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/job.hpp"
#include "kernels/cuda/host_grid.hpp"
#include "model/checkpoint.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"
#include "train/queries_engine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace tessera {
namespace {

using kernels::Backend;
using kernels::Space;

constexpr std::uint32_t kParts = 5;
constexpr std::uint64_t kPoolBytes = std::uint64_t{256} << 20U;

Job small_job() {
  Job job;
  job.model.dim = 12;
  job.model.init_scale = 0.3;
  job.train.batch_size = 96;
  job.negatives.count = 40;
  job.negatives.scope = "all";
  job.exchange.mode = "queries";
  job.regulariser.name = "n3";
  job.regulariser.weight = 0.01;
  return job;
}

struct Result {
  std::string digest;
  std::vector<double> losses;
  bool operator==(const Result&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Result& result) {
  return out << result.digest << ", last loss " << result.losses.back();
}

/// The engine under test, or the one that it must agree with.
enum class Kind { kQueries, kResident };

Result train(comm::Communicator& comm, const test::StoredGraph& stored, const Job& job, Kind kind,
             const Backend& backend) {
  memory::Pool pool(kPoolBytes);
  const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool);
  const train::EngineSetup setup{comm, shard, job, parameters, 1, backend, pool, train::count_items(comm, shard, job)};
  train::Place<Space::kHost> place(pool);
  std::unique_ptr<train::Engine> engine;
  if (kind == Kind::kQueries)
    engine = std::make_unique<train::QueriesEngine>(setup);
  else
    engine = std::make_unique<train::ResidentEngine<Space::kHost>>(setup, place, backend);
  parameters.initialise(job.model, job.run.seed);
  Result result;
  for (std::uint32_t epoch = 0; epoch < 2; ++epoch) result.losses.push_back(engine->run_epoch(epoch, nullptr));
  engine->fetch_parameters();
  result.digest = model::parameter_digest(comm, shard, parameters);
  return result;
}

Result train_on(std::int32_t ranks, const test::StoredGraph& stored, const Job& job, Kind kind,
                const Backend& backend) {
  Result result;
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    const Result mine = train(comm, stored, job, kind, backend);
    if (comm.rank() == Rank(0)) result = mine;
  });
  return result;
}

struct Case {
  const char* name;
  void (*change)(Job&);
};
std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

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

class ResidentEngine : public testing::TestWithParam<Case> {};

TEST_P(ResidentEngine, HasTheBitsOfTheQueriesEngine) {
  const test::StoredGraph stored(test::random_graph({.train = 120}), kParts);
  Job job = small_job();
  GetParam().change(job);
  const auto expected = train(*comm::make_self_communicator(), stored, job, Kind::kQueries, kernels::cpu_backend());
  EXPECT_GT(expected.losses.back(), 0);
  for (const Backend* backend : {&kernels::cpu_backend(), &kernels::host_grid_backend(kernels::GridOrder::kForward),
                                 &kernels::host_grid_backend(kernels::GridOrder::kBackward)}) {
    const auto result = train(*comm::make_self_communicator(), stored, job, Kind::kResident, *backend);
    EXPECT_EQ(result, expected) << backend->name;
  }
  for (const std::int32_t ranks : {2, 3, 5}) {
    EXPECT_EQ(train_on(ranks, stored, job, Kind::kResident, kernels::cpu_backend()), expected) << ranks << " ranks";
  }
}

// The softmax of the reference has bits of its own, and both engines must have them.
TEST_P(ResidentEngine, HasTheBitsOfTheQueriesEngineOverTheReference) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  Job job = small_job();
  GetParam().change(job);
  const Backend& reference = kernels::reference_backend();
  EXPECT_EQ(train(*comm::make_self_communicator(), stored, job, Kind::kResident, reference),
            train(*comm::make_self_communicator(), stored, job, Kind::kQueries, reference));
}

INSTANTIATE_TEST_SUITE_P(Jobs, ResidentEngine, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

// Parts of several tiles, the last of them not full.
TEST(ResidentEngineTiles, AreAddedInTheSameOrder) {
  const test::StoredGraph stored(test::random_graph({.entities = 1300, .train = 100, .valid = 400, .test = 400}), 2);
  Job job = small_job();
  job.train.batch_size = 300;
  const auto expected = train(*comm::make_self_communicator(), stored, job, Kind::kQueries, kernels::cpu_backend());
  for (const Backend* backend : {&kernels::cpu_backend(), &kernels::host_grid_backend(kernels::GridOrder::kForward)})
    EXPECT_EQ(train(*comm::make_self_communicator(), stored, job, Kind::kResident, *backend), expected)
        << backend->name;
  EXPECT_EQ(train_on(2, stored, job, Kind::kResident, kernels::cpu_backend()), expected);
}

// Sums over tiles in more than one round of the fixed lanes.
TEST(ResidentEngineTiles, OfABinaryLossAreAddedInTheSameOrder) {
  const test::StoredGraph stored(test::random_graph({.entities = 4400, .train = 30, .valid = 2000, .test = 2000}), 1);
  Job job = small_job();
  binary_loss(job);
  job.model.dim = 4;
  job.loss.smoothing = 0.2;
  const auto expected = train(*comm::make_self_communicator(), stored, job, Kind::kQueries, kernels::cpu_backend());
  for (const Backend* backend : {&kernels::cpu_backend(), &kernels::host_grid_backend(kernels::GridOrder::kForward)})
    EXPECT_EQ(train(*comm::make_self_communicator(), stored, job, Kind::kResident, *backend), expected)
        << backend->name;
}

// A step has fewer relations than there are: operators are made of those of the step alone.
TEST(ResidentEngineOperators, OfTheRelationsOfAStepAreMade) {
  const test::StoredGraph stored(test::random_graph({.relations = 90, .train = 120}), kParts);
  Job job = small_job();
  tucker(job);
  job.train.batch_size = 50;
  for (const double dropped : {0.0, 0.3}) {
    job.dropout.relation = dropped;
    const auto expected = train(*comm::make_self_communicator(), stored, job, Kind::kQueries, kernels::cpu_backend());
    for (const Backend* backend : {&kernels::cpu_backend(), &kernels::host_grid_backend(kernels::GridOrder::kForward)})
      EXPECT_EQ(train(*comm::make_self_communicator(), stored, job, Kind::kResident, *backend), expected)
          << backend->name;
    for (const std::int32_t ranks : {2, 5})
      EXPECT_EQ(train_on(ranks, stored, job, Kind::kResident, kernels::cpu_backend()), expected) << ranks << " ranks";
  }
}

// More targets of a part than relation prediction takes in a round.
TEST(ResidentEngineRounds, AreAddedInTheSameOrder) {
  const test::StoredGraph stored(test::random_graph({.entities = 200, .train = 1500}), 2);
  Job job = small_job();
  job.train.batch_size = 3000;
  job.relation_prediction.weight = 0.5;
  const auto expected = train(*comm::make_self_communicator(), stored, job, Kind::kQueries, kernels::cpu_backend());
  EXPECT_EQ(train(*comm::make_self_communicator(), stored, job, Kind::kResident, kernels::cpu_backend()), expected);
  EXPECT_EQ(train_on(2, stored, job, Kind::kResident, kernels::cpu_backend()), expected);
}

class ResidentEngineLoss : public testing::TestWithParam<Case> {};

// All ranks end together and name the step, though the losses come back after the epoch.
TEST_P(ResidentEngineLoss, ThatIsNotANumberNamesItsStep) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  Job job = small_job();
  GetParam().change(job);
  comm::run_ranks(3, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool);
    const train::EngineSetup setup{
        comm, shard, job, parameters, 1, kernels::cpu_backend(), pool, train::count_items(comm, shard, job)};
    train::Place<Space::kHost> place(pool);
    train::ResidentEngine<Space::kHost> engine(setup, place, kernels::cpu_backend());
    parameters.initialise(job.model, job.run.seed);
    if (comm.rank() == Rank(1)) parameters.parts().front().rows.row(0)[0] = std::nanf("");
    test::expect_error(ExitStatus::kBadData, {"not a finite number", "epoch 1, step 1;", "learning_rate"},
                       [&] { engine.run_epoch(0, nullptr); });
  });
}

INSTANTIATE_TEST_SUITE_P(Jobs, ResidentEngineLoss,
                         testing::Values(Case{"ComplEx", [](Job&) {}}, Case{"Binary", binary_loss},
                                         Case{"TuckEr", tucker}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// What the setup's parameters are while the engine trains its own.
TEST(ResidentEngineParameters, ComeBackWhenTheyAreFetched) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  const Job job = small_job();
  const auto comm = comm::make_self_communicator();
  memory::Pool pool(kPoolBytes);
  const graph::Shard shard = stored.load(comm->rank(), comm->size(), pool);
  model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool);
  const train::EngineSetup setup{
      *comm, shard, job, parameters, 1, kernels::cpu_backend(), pool, train::count_items(*comm, shard, job)};
  train::Place<Space::kHost> place(pool);
  train::ResidentEngine<Space::kHost> engine(setup, place, kernels::cpu_backend());
  parameters.initialise(job.model, job.run.seed);
  const std::string before = model::parameter_digest(*comm, shard, parameters);
  const std::uint64_t allocations = pool.allocation_count();
  engine.run_epoch(0, nullptr);
  EXPECT_TRUE(engine.holds_parameters());
  EXPECT_EQ(model::parameter_digest(*comm, shard, parameters), before);
  engine.fetch_parameters();
  EXPECT_NE(model::parameter_digest(*comm, shard, parameters), before);
  EXPECT_EQ(pool.allocation_count(), allocations);
  EXPECT_GT(parameters.parts().front().state.row(0)[0], 0.0F);
}

}  // namespace
}  // namespace tessera
