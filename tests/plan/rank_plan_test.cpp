// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// A plan, made of sizes alone, against what a rank takes from its pool: the same bytes under every tag.

#include "plan/rank_plan.hpp"
#include "checkpoint/table_copy.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "evaluate/evaluator.hpp"
#include "predict/searcher.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

namespace tessera {
namespace {

constexpr std::uint32_t kParts = 5;
using Bytes = std::array<std::uint64_t, memory::kTagCount>;

struct Case {
  const char* name;
  void (*change)(Job&);
};
std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

Job small_job() {
  Job job;
  job.model.dim = 12;
  job.train.batch_size = 96;
  job.negatives.count = 40;
  job.negatives.scope = "all";
  job.exchange.mode = "queries";
  job.exchange.scores = "keep";
  return job;
}

Bytes use_of(const memory::Pool& pool) {
  Bytes bytes{};
  for (std::size_t tag = 0; tag < bytes.size(); ++tag) bytes[tag] = pool.use(static_cast<memory::Tag>(tag)).bytes;
  return bytes;
}

constexpr std::uint64_t kBudget = std::uint64_t{256} << 20U;

void expect_same(const plan::RankPlan& planned, const memory::Pool& pool, Rank rank) {
  const Bytes taken = use_of(pool);
  for (std::size_t tag = 0; tag < taken.size(); ++tag)
    EXPECT_EQ(planned.host[tag], taken[tag])
        << memory::name(static_cast<memory::Tag>(tag)) << " of rank " << rank.value();
  EXPECT_EQ(planned.pool_bytes(), pool.peak_bytes());
}

void expect_training(comm::Communicator& comm, const plan::GraphSizes& sizes, const Job& job, std::size_t threads) {
  memory::Pool pool(kBudget);
  const graph::Placement placement(kParts, comm.size());
  const graph::Shard shard = graph::load_shard(sizes.folder, comm.rank(), placement, pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool,
                               train::row_memory(shard, job));
  if (job.average.decay > 0) parameters.keep_average(shard, job.model, pool);
  const auto items = sampling::count_items(comm, shard, job);
  const auto engine = train::make_engine({comm, shard, job, parameters, threads, kernels::cpu_backend(), pool, items});
  execution::HostExecutor host(pool, kernels::cpu_backend(), execution::HostThreads(threads));
  const search::Setup setup{{comm, shard, host}, parameters.served()};
  const evaluate::Evaluator evaluator(setup, {});
  const checkpoint::TableCopy copy(parameters, pool);
  EXPECT_TRUE(copy.has_memory());
  const auto planned_items = plan::find_items(job, sizes);
  expect_same(plan::plan_rank(plan::Stage::kTrain, {job, sizes, placement, comm.rank(), comm.ranks_on_host(), threads,
                                                    kBudget, planned_items}),
              pool, comm.rank());
}

void expect_serving(comm::Communicator& comm, const plan::GraphSizes& sizes, const Job& job, plan::Stage stage) {
  memory::Pool pool(kBudget);
  const graph::Placement placement(kParts, comm.size());
  const graph::Shard shard = graph::load_shard(sizes.folder, comm.rank(), placement, pool);
  const model::Parameters parameters(shard, job.model, model::StateShape::kNone, pool);
  execution::HostExecutor host(pool, kernels::cpu_backend(), execution::HostThreads(2));
  const search::Setup setup{{comm, shard, host}, parameters};
  std::unique_ptr<evaluate::Evaluator> evaluator;
  std::unique_ptr<predict::Searcher> searcher;
  if (stage == plan::Stage::kEvaluate)
    evaluator = std::make_unique<evaluate::Evaluator>(setup, evaluate::Options{});
  else
    searcher = std::make_unique<predict::Searcher>(setup, sizes.folder, predict::SearchOptions{});
  expect_same(plan::plan_rank(stage, {job, sizes, placement, comm.rank(), comm.ranks_on_host(), 2, kBudget, {}}), pool,
              comm.rank());
}

class Plan : public testing::TestWithParam<Case> {};

TEST_P(Plan, IsWhatARankTakes) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 400, .valid = 60}), kParts);
  const plan::GraphSizes sizes = plan::sizes_of_partition(stored.partition_folder());
  Job job = small_job();
  GetParam().change(job);
  for (const std::int32_t ranks : {1, 2, 5})
    for (const std::size_t threads : {1, 3}) {
      SCOPED_TRACE(testing::Message() << ranks << " ranks, " << threads << " threads");
      comm::run_ranks(ranks, [&](comm::Communicator& comm) { expect_training(comm, sizes, job, threads); });
    }
}

TEST(PlanOfServing, IsWhatARankTakes) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 400, .valid = 60}), kParts);
  const plan::GraphSizes sizes = plan::sizes_of_partition(stored.partition_folder());
  const Job job = small_job();
  for (const plan::Stage stage : {plan::Stage::kEvaluate, plan::Stage::kPredict})
    for (const std::int32_t ranks : {1, 3})
      comm::run_ranks(ranks, [&](comm::Communicator& comm) { expect_serving(comm, sizes, job, stage); });
}

INSTANTIATE_TEST_SUITE_P(
    Jobs, Plan,
    testing::Values(Case{"Exact", [](Job&) {}}, Case{"Grouped", [](Job& job) { job.train.group_queries = true; }},
                    Case{"Recomputed", [](Job& job) { job.exchange.scores = "recompute"; }},
                    Case{"Sampled", [](Job& job) { job.negatives.scope = "global"; }},
                    Case{"RelationPrediction", [](Job& job) { job.relation_prediction.weight = 0.5; }},
                    Case{"TuckErDropoutAdam",
                         [](Job& job) {
                           job.model.name = "tucker";
                           job.model.relation_dim = 5;
                           job.dropout = {.entity = 0.2, .relation = 0.2};
                           job.optimiser.name = "adam";
                         }},
                    Case{"BinaryRowwiseAverage",
                         [](Job& job) {
                           job.loss.name = "bce";
                           job.train.group_queries = true;
                           job.optimiser.name = "rowwise_adagrad";
                           job.average.decay = 0.9;
                         }},
                    Case{"SmallRowsAndStates",
                         [](Job& job) {
                           job.run.rows = "int8";
                           job.optimiser.state = "log8";
                           job.memory.hot_rows = 0.1;
                         }},
                    Case{"MovedSmallRows",
                         [](Job& job) {
                           job.exchange.mode = "rows";
                           job.negatives.scope = "global";
                           job.run.rows = "bf16";
                         }},
                    Case{"MovedRows",
                         [](Job& job) {
                           job.exchange.mode = "rows";
                           job.negatives.scope = "global";
                           job.model.name = "transe_l1";
                           job.loss.name = "margin";
                         }}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace tessera
