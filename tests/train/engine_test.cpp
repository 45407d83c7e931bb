// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The promise of the engine: parameters after training have the same bits for any number of ranks and threads.

#include "train/engine.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/job.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <vector>

namespace tessera {
namespace {

constexpr std::uint32_t kParts = 8;
constexpr std::uint64_t kPoolBytes = std::uint64_t{256} << 20U;

Job small_job() {
  Job job;
  job.model.dim = 12;
  job.model.init_scale = 0.3;
  job.train.batch_size = 96;
  job.negatives.count = 40;
  job.regulariser.name = "n3";
  job.regulariser.weight = 0.01;
  return job;
}

struct Result {
  std::string digest;
  double loss = 0;
  bool operator==(const Result&) const = default;
};

Result train(comm::Communicator& comm, const test::StoredGraph& stored, const Job& job, std::size_t threads,
             std::vector<double>* curve = nullptr) {
  memory::Pool pool(kPoolBytes);
  const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool,
                               train::row_memory(shard, job));
  const auto engine = train::make_engine(
      {comm, shard, job, parameters, threads, kernels::cpu_backend(), pool, sampling::count_items(comm, shard, job)});
  parameters.initialise(job.model, job.run.seed);
  Result result;
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
    result.loss = engine->run_epoch(epoch);
    if (curve != nullptr) curve->push_back(result.loss);
  }
  result.digest = checkpoint::parameter_digest(comm, shard, parameters);
  return result;
}

Result train_on(std::int32_t ranks, const test::StoredGraph& stored, const Job& job, std::size_t threads) {
  Result result;
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    const Result mine = train(comm, stored, job, threads);
    if (comm.is_root()) result = mine;
  });
  return result;
}

struct Case {
  const char* name;
  void (*change)(Job&);
  [[nodiscard]] Job job() const {
    Job job = small_job();
    change(job);
    return job;
  }
};
std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

void move_queries(Job& job, const std::string& scope) {
  job.exchange.mode = "queries";
  job.negatives.scope = scope;
}

void tucker(Job& job) {
  job.model.name = "tucker";
  job.model.relation_dim = 7;
}

void drop(Job& job) { job.dropout = {.entity = 0.3, .relation = 0.2}; }

const std::vector<Case> kCases = {
    {"Rows", [](Job&) {}},
    {"RowsStale", [](Job& job) { job.exchange.staleness = 1; }},
    {"RowsRowwise",
     [](Job& job) {
       job.model.name = "distmult";
       job.optimiser.name = "rowwise_adagrad";
     }},
    {"RowsAdamStale",
     [](Job& job) {
       job.optimiser.name = "adam";
       job.exchange.staleness = 1;
     }},
    {"RowsWarmup",
     [](Job& job) {
       job.schedule = {"warmup", 1.5};
     }},
    {"RowsSgd", [](Job& job) { job.optimiser.name = "sgd"; }},
    {"RowsL1", [](Job& job) { job.model.name = "transe_l1"; }},
    {"RowsL2Stale",
     [](Job& job) {
       job.model.name = "transe_l2";
       job.exchange.staleness = 1;
       job.optimiser.name = "rowwise_adagrad";
     }},
    {"RowsOfAll", [](Job& job) { job.negatives.scope = "all"; }},
    {"Queries", [](Job& job) { move_queries(job, "all"); }},
    {"QueriesRowwise",
     [](Job& job) {
       move_queries(job, "all");
       job.model.name = "distmult";
       job.optimiser.name = "rowwise_adagrad";
     }},
    {"QueriesAdam",
     [](Job& job) {
       move_queries(job, "all");
       job.optimiser.name = "adam";
     }},
    {"QueriesSgd",
     [](Job& job) {
       move_queries(job, "global");
       job.optimiser.name = "sgd";
       job.schedule = {"warmup", 1.5};
     }},
    {"QueriesGrouped",
     [](Job& job) {
       move_queries(job, "all");
       job.train.group_queries = true;
     }},
    {"QueriesRelationPrediction",
     [](Job& job) {
       move_queries(job, "all");
       job.train.group_queries = true;
       job.relation_prediction.weight = 0.5;
     }},
    {"QueriesSampled", [](Job& job) { move_queries(job, "global"); }},
    {"RowsDropoutStale",
     [](Job& job) {
       drop(job);
       job.exchange.staleness = 1;
     }},
    {"QueriesDropoutGrouped",
     [](Job& job) {
       move_queries(job, "all");
       drop(job);
       job.train.group_queries = true;
     }},
    {"RowsTuckER", tucker},
    {"RowsTuckERRowwiseDropout",
     [](Job& job) {
       tucker(job);
       drop(job);
       job.optimiser.name = "rowwise_adagrad";
     }},
    {"QueriesTuckERAdam",
     [](Job& job) {
       tucker(job);
       move_queries(job, "all");
       job.optimiser.name = "adam";
     }},
    {"QueriesTuckERRelationPrediction",
     [](Job& job) {
       tucker(job);
       move_queries(job, "all");
       job.train.group_queries = true;
       job.relation_prediction.weight = 0.5;
     }},
};

class SameBits : public testing::TestWithParam<Case> {};

TEST_P(SameBits, RanksAndThreadsChangeNothing) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  const Job job = GetParam().job();
  const Result alone = train(*comm::make_self_communicator(), stored, job, 1);
  EXPECT_GT(alone.loss, 0);
  for (const std::int32_t ranks : {1, 2, 3, 4, 7, 8})
    for (const std::size_t threads : {1, 2}) {
      const Result result = train_on(ranks, stored, job, threads);
      EXPECT_EQ(result.digest, alone.digest) << ranks << " ranks, " << threads << " threads";
      EXPECT_EQ(result.loss, alone.loss) << ranks << " ranks, " << threads << " threads";
    }
}

INSTANTIATE_TEST_SUITE_P(Engine, SameBits, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

// Both ways to exchange train the same model when the candidates are the same.
TEST(Engine, MovingRowsAndMovingQueriesAgree) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  const std::vector<Case> cases = {
      {"ComplEx", [](Job&) {}}, {"TuckER", tucker}, {"Dropout", drop}, {"TuckERDropout", [](Job& job) {
                                                                          tucker(job);
                                                                          drop(job);
                                                                        }}};
  for (const Case& tested : cases) {
    Job job = tested.job();
    job.negatives.scope = "all";
    std::vector<std::vector<double>> curves;
    for (const char* mode : {"rows", "queries"}) {
      job.exchange.mode = mode;
      curves.emplace_back();
      train(*comm::make_self_communicator(), stored, job, 2, &curves.back());
    }
    for (std::size_t epoch = 0; epoch < curves[0].size(); ++epoch)
      EXPECT_NEAR(curves[0][epoch], curves[1][epoch], 1e-5) << tested.name << ", epoch " << epoch + 1;
  }
}

TEST(SameBits, ScoresMayBeKeptOrComputedAgain) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  for (const char* scope : {"all", "global"}) {
    Job job = small_job();
    move_queries(job, scope);
    job.exchange.scores = "keep";
    const Result kept = train_on(2, stored, job, 2);
    job.exchange.scores = "recompute";
    EXPECT_EQ(train_on(2, stored, job, 2), kept) << scope;
  }
}

// In one step per epoch it makes no difference whether the answers of a query share a query vector.
TEST(Engine, GroupedQueriesAreTheSameInOneStep) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  Job job = small_job();
  move_queries(job, "all");
  job.train.batch_size = 100000;
  job.relation_prediction.weight = 0.5;
  std::vector<std::vector<double>> curves;
  for (const bool grouped : {false, true}) {
    job.train.group_queries = grouped;
    curves.emplace_back();
    train(*comm::make_self_communicator(), stored, job, 2, &curves.back());
  }
  for (std::size_t epoch = 0; epoch < curves[0].size(); ++epoch)
    EXPECT_NEAR(curves[0][epoch], curves[1][epoch], 1e-4) << "epoch " << epoch + 1;
}

// All ranks end together and name the step, though only one has the row that is not a number.
TEST(Engine, ALossThatIsNotANumberStopsTheRun) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  for (const char* mode : {"rows", "queries"}) {
    Job job = small_job();
    job.exchange.mode = mode;
    job.negatives.scope = "all";
    comm::run_ranks(3, [&](comm::Communicator& comm) {
      memory::Pool pool(kPoolBytes);
      const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
      model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool,
                                   train::row_memory(shard, job));
      const auto engine = train::make_engine(
          {comm, shard, job, parameters, 1, kernels::cpu_backend(), pool, sampling::count_items(comm, shard, job)});
      parameters.initialise(job.model, job.run.seed);
      if (comm.rank() == Rank(1)) parameters.parts().front().rows.matrix().row(0)[0] = std::nanf("");
      test::expect_error(ExitStatus::kBadData, {"not a finite number", "epoch 1, step 1;", "learning_rate"},
                         [&] { engine->run_epoch(0); });
    });
  }
}

TEST(SameBits, AnotherSeedGivesOtherBits) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  Job job = small_job();
  const Result first = train_on(2, stored, job, 1);
  job.run.seed = 2;
  EXPECT_NE(train_on(2, stored, job, 1).digest, first.digest);
}

TEST(SameBits, StalenessIsAnotherAlgorithm) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  Job stale = small_job();
  stale.exchange.staleness = 1;
  EXPECT_NE(train_on(2, stored, small_job(), 1).digest, train_on(2, stored, stale, 1).digest);
}

TEST(Engine, LossFalls) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  const Job job = small_job();
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool, train::row_memory(shard, job));
    const auto engine = train::make_engine(
        {comm, shard, job, parameters, 1, kernels::cpu_backend(), pool, sampling::count_items(comm, shard, job)});
    parameters.initialise(job.model, job.run.seed);
    const double first = engine->run_epoch(0);
    double last = first;
    for (std::uint32_t epoch = 1; epoch < 20; ++epoch) last = engine->run_epoch(epoch);
    EXPECT_LT(last, 0.7 * first);
  });
}

}  // namespace
}  // namespace tessera
