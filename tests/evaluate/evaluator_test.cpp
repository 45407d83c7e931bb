// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/evaluator.hpp"

#include "comm/agreement.hpp"
#include "evaluate_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <tuple>

namespace tessera::test {
namespace {

using evaluate::Filter;
using evaluate::RankedQuery;
using graph::Split;

constexpr std::uint32_t kParts = 9;

const StoredGraph& shared_graph() {
  static const StoredGraph stored(random_graph({.entities = 60, .relations = 3, .train = 400, .valid = 50, .test = 60}),
                                  kParts);
  return stored;
}

std::span<const Split> splits_of(Filter filter) {
  return std::span(graph::kSplits).first(filter == Filter::kTrainValid ? 2 : 3);
}

void expect_same_as_oracle(const StoredGraph& stored, const ModelValues& values, const EvaluateCase& how,
                           const Evaluated& result) {
  const BruteForce oracle(stored, values);
  EXPECT_EQ(result.queries.size(), 2 * stored.graph().split(how.split).size());
  for (const RankedQuery& query : result.queries) {
    const BruteForce::Counts expected =
        oracle.rank(query.source, query.relation, query.target, splits_of(how.options.filter));
    EXPECT_EQ((BruteForce::Counts{query.n_greater, query.n_equal, query.candidates}), expected)
        << "query (" << query.source.value() << ", " << query.relation.value() << ", ?) -> " << query.target.value();
    EXPECT_EQ(query.target_degree, oracle.train_degree(query.target));
    EXPECT_EQ(query.unseen, oracle.is_unseen(query.source) || oracle.is_unseen(query.target));
  }
}

/// Both queries of every triple of the split, once each.
void expect_every_triple(const StoredGraph& stored, Split split, const std::vector<RankedQuery>& queries) {
  const auto relations = static_cast<std::uint32_t>(stored.graph().relations);
  std::set<std::tuple<std::uint64_t, std::uint32_t, std::uint64_t>> found;
  for (const RankedQuery& query : queries)
    found.emplace(query.source.value(), query.relation.value(), query.target.value());
  EXPECT_EQ(found.size(), queries.size());
  for (const Triple& triple : stored.graph().split(split)) {
    const std::uint64_t head = stored.global_id(triple.head.value()).value();
    const std::uint64_t tail = stored.global_id(triple.tail.value()).value();
    EXPECT_TRUE(found.contains({head, triple.relation.value(), tail}));
    EXPECT_TRUE(found.contains({tail, triple.relation.value() + relations, head}));
  }
}

bool same_bits(const evaluate::Metrics& a, const evaluate::Metrics& b) {
  return a.all == b.all && a.tail == b.tail && a.head == b.head && a.rank_digest == b.rank_digest;
}

class EvaluatorTest : public testing::TestWithParam<std::tuple<const char*, const kernels::Backend*>> {
 protected:
  [[nodiscard]] static ModelValues values() {
    ModelValues model;
    model.scorer = std::get<0>(GetParam());
    return model;
  }
  [[nodiscard]] static EvaluateCase how() {
    EvaluateCase how;
    how.backend = std::get<1>(GetParam());
    how.options.block_queries = 32;  // several blocks
    return how;
  }
};

TEST_P(EvaluatorTest, EqualsTheOracleWithManyTies) {
  const Evaluated result = evaluate_on_ranks(shared_graph(), values(), how());
  expect_every_triple(shared_graph(), Split::kTest, result.queries);
  expect_same_as_oracle(shared_graph(), values(), how(), result);
  EXPECT_GT(result.metrics.all[evaluate::TieRule::kPessimistic].mean_rank,
            result.metrics.all[evaluate::TieRule::kOptimistic].mean_rank);  // there are ties
}

TEST_P(EvaluatorTest, EqualsTheOracleWithoutTies) {
  ModelValues model = values();
  model.entity = normals(3);
  model.relation = normals(4);
  model.dim = 22;
  expect_same_as_oracle(shared_graph(), model, how(), evaluate_on_ranks(shared_graph(), model, how()));
}

TEST_P(EvaluatorTest, SameBitsOnAnyNumberOfRanksAndThreads) {
  ModelValues model = values();
  model.entity = normals(5);
  const Evaluated expected = evaluate_on_ranks(shared_graph(), model, how());
  for (const std::int32_t ranks : {1, 2, 3, 4, 7}) {
    for (const std::size_t threads : {1U, 2U}) {
      EvaluateCase other = how();
      other.ranks = ranks;
      other.threads = threads;
      other.options.block_queries = 5 * static_cast<std::uint64_t>(ranks);  // rounds of known answers differ, too
      const Evaluated result = evaluate_on_ranks(shared_graph(), model, other);
      EXPECT_TRUE(same_bits(result.metrics, expected.metrics)) << ranks << " ranks, " << threads << " threads";
    }
  }
}

TEST_P(EvaluatorTest, ModelSelectionLeavesTheTestSplitAlone) {
  EvaluateCase choose = how();
  choose.ranks = 3;
  choose.split = Split::kValid;
  choose.options.filter = Filter::kTrainValid;
  expect_same_as_oracle(shared_graph(), values(), choose, evaluate_on_ranks(shared_graph(), values(), choose));

  EvaluateCase other = choose;  // the targets are not among the known answers
  other.split = Split::kTest;
  expect_same_as_oracle(shared_graph(), values(), other, evaluate_on_ranks(shared_graph(), values(), other));
}

INSTANTIATE_TEST_SUITE_P(All, EvaluatorTest,
                         testing::Combine(testing::Values("transe_l1", "transe_l2", "distmult", "complex"),
                                          testing::Values(&kernels::reference_backend(), &kernels::cpu_backend())),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param)) + "_" + std::get<1>(instance.param)->name;
                         });

TEST(EvaluatorTiesTest, EqualRowsShareTheirPlace) {
  ModelValues model;
  model.entity = [](std::uint64_t, std::size_t) { return 1.0F; };  // all entities are one
  for (const std::int32_t ranks : {1, 4}) {
    EvaluateCase how;
    how.ranks = ranks;
    const Evaluated result = evaluate_on_ranks(shared_graph(), model, how);
    expect_same_as_oracle(shared_graph(), model, how, result);
    for (const RankedQuery& query : result.queries) EXPECT_EQ(query.n_greater, 0U);
    EXPECT_EQ(result.metrics.all[evaluate::TieRule::kOptimistic].mrr, 1);
    EXPECT_LT(result.metrics.all[evaluate::TieRule::kPessimistic].mrr, 0.1);
  }
}

TEST(EvaluatorFilterTest, AnAnswerOfTwoSplitsCountsOnce) {
  TestGraph graph = random_graph({.entities = 30, .relations = 2, .train = 150, .valid = 20, .test = 20, .seed = 5});
  for (std::size_t i = 0; i < 10; ++i) {  // triples of train that valid and test have too
    graph.split(Split::kValid).push_back(graph.split(Split::kTrain)[i]);
    graph.split(Split::kTest).push_back(graph.split(Split::kTrain)[2 * i]);
  }
  const StoredGraph stored(graph, 5);
  const ModelValues model;
  for (const Filter filter : {Filter::kTrainValid, Filter::kTrainValidTest}) {
    EvaluateCase how;
    how.ranks = 2;
    how.options.filter = filter;
    expect_same_as_oracle(stored, model, how, evaluate_on_ranks(stored, model, how));
  }
}

TEST(EvaluatorFilterTest, KnownAnswersInManyRounds) {
  const StoredGraph stored(
      random_graph({.entities = 80, .relations = 1, .train = 1500, .valid = 50, .test = 50, .hubs = 2}), 4);
  for (const std::int32_t ranks : {1, 2, 4}) {
    EvaluateCase how;
    how.ranks = ranks;
    how.options.block_queries = 1;  // rounds of 16 known answers; the hubs have several dozen
    expect_same_as_oracle(stored, {}, how, evaluate_on_ranks(stored, {}, how));
  }
}

TEST(EvaluatorSampleTest, TheSameTriplesOnAnyNumberOfRanks) {
  constexpr std::uint64_t kTriples = 17;
  EvaluateCase how;
  how.options.max_triples = kTriples;
  const Evaluated expected = evaluate_on_ranks(shared_graph(), {}, how);
  EXPECT_EQ(expected.queries.size(), 2 * kTriples);
  EXPECT_EQ(expected.metrics.tail.queries, kTriples);
  EXPECT_EQ(expected.metrics.head.queries, kTriples);
  const Evaluated all = evaluate_on_ranks(shared_graph(), {}, {});
  for (const RankedQuery& query : expected.queries) {
    const bool found = std::any_of(all.queries.begin(), all.queries.end(), [&](const RankedQuery& other) {
      return other.source == query.source && other.relation == query.relation && other.target == query.target &&
             other.n_greater == query.n_greater && other.n_equal == query.n_equal;
    });
    EXPECT_TRUE(found);
  }
  for (const std::int32_t ranks : {2, 3, 7}) {
    how.ranks = ranks;
    EXPECT_TRUE(same_bits(evaluate_on_ranks(shared_graph(), {}, how).metrics, expected.metrics));
  }
  how.options.max_triples = 1000;  // more than there are: all
  EXPECT_TRUE(same_bits(evaluate_on_ranks(shared_graph(), {}, how).metrics, all.metrics));
}

TEST(EvaluatorSplitTest, AnEmptySplitHasNoQueries) {
  const StoredGraph stored(random_graph({.entities = 20, .relations = 2, .train = 60, .valid = 0, .test = 10}), 3);
  EvaluateCase how;
  how.ranks = 3;
  how.split = Split::kValid;
  const Evaluated result = evaluate_on_ranks(stored, {}, how);
  EXPECT_EQ(result.metrics.all.queries, 0U);
  EXPECT_EQ(result.metrics.mrr(), 0);
}

TEST(EvaluatorSplitTest, MorePartsThanQueries) {
  const StoredGraph stored(random_graph({.entities = 20, .relations = 2, .train = 40, .valid = 2, .test = 2}), 16);
  EvaluateCase how;
  how.ranks = 7;
  expect_same_as_oracle(stored, {}, how, evaluate_on_ranks(stored, {}, how));
}

/// The message of the error that all ranks throw together.
std::string failure_of(const ModelValues& model, std::int32_t ranks, ExitStatus status) {
  EvaluateCase how;
  how.ranks = ranks;
  try {
    evaluate_on_ranks(shared_graph(), model, how);
  } catch (const comm::AgreedError& error) {
    EXPECT_EQ(error.status(), status);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(EvaluatorNumbersTest, ARowThatIsNotFiniteIsNamed) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    ModelValues model;
    const EntityId last(shared_graph().graph().entities - 1);
    model.entity = [bad, last](std::uint64_t row, std::size_t k) { return row == last.value() && k == 3 ? bad : 1.0F; };
    for (const std::int32_t ranks : {1, 3})
      EXPECT_NE(failure_of(model, ranks, ExitStatus::kBadData).find("of part 8 holds infinities or NaN"),
                std::string::npos);
  }
}

TEST(EvaluatorNumbersTest, ARelationRowThatIsNotFiniteIsNamed) {
  ModelValues model;
  model.relation = [](std::uint64_t row, std::size_t) { return row == 4 ? std::nanf("") : 1.0F; };
  EXPECT_NE(failure_of(model, 2, ExitStatus::kBadData).find("relation row 4 holds"), std::string::npos);
}

TEST(EvaluatorNumbersTest, AQueryThatIsNotANumberIsNamed) {
  ModelValues model;
  model.entity = [](std::uint64_t, std::size_t) { return 2.0F; };
  model.relation = [](std::uint64_t row, std::size_t) { return row == 4 ? 3e38F : 1.0F; };
  for (const std::int32_t ranks : {1, 3}) {
    const std::string message = failure_of(model, ranks, ExitStatus::kBadData);
    EXPECT_NE(message.find("relation 1 inverse, ?) with target"), std::string::npos) << message;
  }
}

TEST(EvaluatorNumbersTest, ScoresThatOverflowAreRefused) {
  ModelValues model;
  model.entity = [](std::uint64_t, std::size_t) { return 1e20F; };
  model.relation = [](std::uint64_t, std::size_t) { return 1.0F; };
  EXPECT_NE(failure_of(model, 2, ExitStatus::kBadData).find("not numbers"), std::string::npos);
}

TEST(EvaluatorMemoryTest, RepeatedRunsTakeNothingFromThePool) {
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    memory::Pool pool(64U << 20U);
    const graph::Shard shard = shared_graph().load(comm.rank(), comm.size(), pool);
    const ModelValues model;
    model::Parameters parameters(shard, model.job(), model::StateShape::kNone, pool);
    fill(model, shard, parameters);
    evaluate::Options options;
    options.max_triples = 10;
    const std::uint64_t used_before = pool.used_bytes();
    execution::HostExecutor host(pool, kernels::reference_backend(), execution::HostThreads(2));
    const search::Setup setup{{comm, shard, host}, parameters};
    evaluate::Evaluator evaluator(setup, options);
    EXPECT_EQ(pool.used_bytes() - used_before, evaluate::Evaluator::bytes(search::host_sizes(setup, 4096)));
    const evaluate::Metrics first = evaluator.run(Split::kValid);
    const std::uint64_t allocations = pool.allocation_count();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(evaluator.run(Split::kValid), first));
    EXPECT_EQ(pool.allocation_count(), allocations);
    for (model::PartTable& table : parameters.parts())  // it works on the rows as they are
      for (std::size_t k = 0; k < model.dim; ++k) table.rows.matrix().row(0)[k] = 3;
    EXPECT_FALSE(same_bits(evaluator.run(Split::kValid), first));
  });
}

TEST(EvaluatorMemoryTest, ASmallBudgetMeansSmallerBlocks) {
  const Evaluated expected = evaluate_on_ranks(shared_graph(), {}, {});
  EvaluateCase small;
  small.ranks = 2;
  small.budget_bytes = 400'000;  // the default block wants more than a megabyte
  EXPECT_TRUE(same_bits(evaluate_on_ranks(shared_graph(), {}, small).metrics, expected.metrics));
  small.budget_bytes = 40'000;
  EXPECT_THROW(evaluate_on_ranks(shared_graph(), {}, small), comm::AgreedError);
}

}  // namespace
}  // namespace tessera::test
