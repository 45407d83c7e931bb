// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The promise of the engine: parameters after training have the same bits for any number of ranks and threads.

#include "train/engine.hpp"
#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/job.hpp"
#include "model/checkpoint.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace tessera {
namespace {

constexpr std::uint32_t kParts = 8;
constexpr std::uint64_t kPoolBytes = std::uint64_t{256} << 20U;

Job small_job(const std::string& model, std::uint64_t staleness, const std::string& optimiser) {
  Job job;
  job.model.name = model;
  job.model.dim = 12;
  job.model.init_scale = 0.3;
  job.train.batch_size = 96;
  job.negatives.count = 40;
  job.regulariser.name = "n3";
  job.regulariser.weight = 0.01;
  job.optimiser.name = optimiser;
  job.exchange.staleness = staleness;
  return job;
}

struct Result {
  std::string digest;
  double loss = 0;
  bool operator==(const Result&) const = default;
};

Result train(comm::Communicator& comm, const test::StoredGraph& stored, const Job& job, std::size_t threads) {
  memory::Pool pool(kPoolBytes);
  const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool,
                               train::halo_rows(shard, job));
  train::Engine engine(comm, shard, job, parameters, threads, kernels::cpu_backend(), pool);
  parameters.initialise(job.model, job.run.seed);
  Result result;
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) result.loss = engine.run_epoch(epoch);
  result.digest = model::parameter_digest(comm, shard, parameters);
  return result;
}

Result train_on(std::int32_t ranks, const test::StoredGraph& stored, const Job& job, std::size_t threads) {
  Result result;
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    const Result mine = train(comm, stored, job, threads);
    if (comm.rank() == Rank(0)) result = mine;
  });
  return result;
}

using Case = std::tuple<std::string, std::uint64_t, std::string>;
class SameBits : public testing::TestWithParam<Case> {};

TEST_P(SameBits, RanksAndThreadsChangeNothing) {
  const auto& [model, staleness, optimiser] = GetParam();
  const test::StoredGraph stored(test::random_graph({}), kParts);
  const Job job = small_job(model, staleness, optimiser);
  const Result alone = train(*comm::make_self_communicator(), stored, job, 1);
  EXPECT_GT(alone.loss, 0);
  for (const std::int32_t ranks : {1, 2, 3, 4, 7, 8})
    for (const std::size_t threads : {1, 2}) {
      const Result result = train_on(ranks, stored, job, threads);
      EXPECT_EQ(result.digest, alone.digest) << ranks << " ranks, " << threads << " threads";
      EXPECT_EQ(result.loss, alone.loss) << ranks << " ranks, " << threads << " threads";
    }
}

INSTANTIATE_TEST_SUITE_P(Engine, SameBits,
                         testing::Values(Case{"complex", 0, "adagrad"}, Case{"complex", 1, "adagrad"},
                                         Case{"distmult", 0, "rowwise_adagrad"}, Case{"transe_l1", 0, "adagrad"},
                                         Case{"transe_l2", 1, "rowwise_adagrad"}));

TEST(SameBits, AnotherSeedGivesOtherBits) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  Job job = small_job("complex", 0, "adagrad");
  const Result first = train_on(2, stored, job, 1);
  job.run.seed = 2;
  EXPECT_NE(train_on(2, stored, job, 1).digest, first.digest);
}

TEST(SameBits, StalenessIsAnotherAlgorithm) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  EXPECT_NE(train_on(2, stored, small_job("complex", 0, "adagrad"), 1).digest,
            train_on(2, stored, small_job("complex", 1, "adagrad"), 1).digest);
}

TEST(Engine, LossFalls) {
  const test::StoredGraph stored(test::random_graph({}), kParts);
  const Job job = small_job("complex", 0, "adagrad");
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool, train::halo_rows(shard, job));
    train::Engine engine(comm, shard, job, parameters, 1, kernels::cpu_backend(), pool);
    parameters.initialise(job.model, job.run.seed);
    const double first = engine.run_epoch(0);
    double last = first;
    for (std::uint32_t epoch = 1; epoch < 20; ++epoch) last = engine.run_epoch(epoch);
    EXPECT_LT(last, 0.7 * first);
  });
}

}  // namespace
}  // namespace tessera
