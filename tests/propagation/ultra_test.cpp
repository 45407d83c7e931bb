// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/ultra.hpp"

#include "comm/thread/thread_communicator.hpp"
#include "evaluate/scores_ranking.hpp"
#include "predict/scores_searcher.hpp"
#include "support/expect_error.hpp"
#include "support/model_fixture.hpp"
#include "ultra_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>

namespace tessera::test {
namespace {

using graph::Split;
using propagation::MessageGraph;
using Ultra = propagation::GraphScores;

constexpr std::uint64_t kBudget = 64U << 20U;

StoredGraph make_graph() {
  TestGraph graph = random_graph({.entities = 50, .relations = 3, .train = 90, .valid = 20, .test = 30});
  return {graph, 4};
}

const StoredGraph& shared_graph() {
  static const StoredGraph stored = make_graph();
  return stored;
}

/// What a rank has when it uses the model.
struct Case {
  std::int32_t ranks = 1;
  std::size_t threads = 1;
  std::uint64_t budget_bytes = kBudget;
  std::size_t layers = 4;
};

template <class Use>
void on_ranks(const StoredGraph& stored, const Case& how, const Use& use) {
  comm::run_ranks(how.ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(how.budget_bytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    execution::HostExecutor host(pool, kernels::cpu_backend(), execution::HostThreads(how.threads));
    const auto model = propagation::make_ultra(
        propagation::take_weights(random_weights(32, how.layers, 5), "w"),
        std::make_shared<MessageGraph>(MessageGraph::of_partition(shard, stored.partition_folder(), pool)), host);
    use(search::Ranks{comm, shard, host}, *model);
  });
}

std::vector<OracleEdge> edges_of(const StoredGraph& stored) {
  std::vector<OracleEdge> edges;
  for (const Triple& t : stored.graph().split(Split::kTrain))
    edges.push_back({static_cast<std::uint32_t>(stored.global_id(t.head.value()).value()), t.relation.value(),
                     static_cast<std::uint32_t>(stored.global_id(t.tail.value()).value())});
  return edges;
}

std::vector<search::Query> all_queries(const StoredGraph& stored) {
  std::vector<search::Query> queries;
  for (std::uint64_t e = 0; e < stored.graph().entities; ++e)
    for (std::uint32_t r = 0; r < 2 * stored.graph().relations; ++r) queries.push_back({EntityId(e), RelationId(r)});
  return queries;
}

std::vector<std::vector<float>> scores_of(Ultra& model, std::span<const search::Query> queries) {
  std::vector<std::vector<float>> all(queries.size());
  model.score(queries, [&](std::size_t q, std::span<const float> scores) {
    EXPECT_TRUE(all[q].empty());
    all[q].assign(scores.begin(), scores.end());
  });
  return all;
}

TEST(UltraTest, ScoresAsTheFormulasDo) {
  const StoredGraph& stored = shared_graph();
  const auto edges = edges_of(stored);
  for (const std::size_t layers : {1U, 2U, 3U, 6U})
    on_ranks(stored, {.layers = layers}, [&](const search::Ranks&, Ultra& model) {
      // Many queries of each relation, so that they share what the layers give without any.
      const auto queries = all_queries(stored);
      const auto scores = scores_of(model, queries);
      const auto weights = random_weights(32, layers, 5);
      for (std::size_t q = 0; q < queries.size(); q += 17) {
        const auto expected =
            oracle_scores(weights, edges, 50, 3,
                          {static_cast<std::uint32_t>(queries[q].source.value()), queries[q].relation.value(), 0});
        for (std::size_t v = 0; v < expected.size(); ++v)
          EXPECT_NEAR(scores[q][v], expected[v], 2e-5 * (1 + std::abs(expected[v]))) << q << " " << v;
      }
    });
}

TEST(UltraTest, AScoreDependsOnItsQueryAlone) {
  const StoredGraph& stored = shared_graph();
  const auto queries = all_queries(stored);
  std::vector<std::vector<float>> together;
  on_ranks(stored, {}, [&](const search::Ranks&, Ultra& model) { together = scores_of(model, queries); });
  for (const Case how : {Case{}, Case{.threads = 2}, Case{.threads = 3, .budget_bytes = 420U << 10U}})
    on_ranks(stored, how, [&](const search::Ranks&, Ultra& model) {
      for (std::size_t q = 0; q < queries.size(); q += 29)  // one at a time: nothing is shared
        EXPECT_EQ(scores_of(model, std::span(queries).subspan(q, 1)).front(), together[q]) << q;
      EXPECT_EQ(scores_of(model, queries), together);
    });
}

TEST(UltraTest, RanksAndThreadsChangeNoBit) {
  const auto run = [](const Case& how) {
    std::vector<evaluate::RankedQuery> all;
    evaluate::Metrics metrics;
    on_ranks(shared_graph(), how, [&](const search::Ranks& ranks, Ultra& model) {
      evaluate::ScoresRanking ranking(ranks, model, {.block_queries = 16});
      std::vector<evaluate::RankedQuery> own;
      const evaluate::Metrics found = ranking.run(Split::kTest, [&](std::span<const evaluate::RankedQuery> some) {
        own.insert(own.end(), some.begin(), some.end());
      });
      if (!ranks.comm.is_root()) return;
      all = own;
      metrics = found;
    });
    return std::pair(metrics, all);
  };
  const auto [metrics, queries] = run({});
  ASSERT_EQ(queries.size(), 60U);
  for (const Case how : {Case{.ranks = 2}, Case{.ranks = 3, .threads = 2}}) {
    const auto [other, others] = run(how);
    EXPECT_EQ(other.rank_digest, metrics.rank_digest);
    EXPECT_EQ(other.all, metrics.all);
    ASSERT_EQ(others.size(), queries.size());
    for (std::size_t i = 0; i < queries.size(); ++i)
      EXPECT_EQ(std::bit_cast<std::uint32_t>(others[i].score), std::bit_cast<std::uint32_t>(queries[i].score));
  }
}

TEST(UltraTest, RanksAreCountedAsDefined) {
  const StoredGraph& stored = shared_graph();
  const BruteForce brute(stored, {});
  on_ranks(stored, {}, [&](const search::Ranks& ranks, Ultra& model) {
    evaluate::ScoresRanking ranking(ranks, model, {});
    (void)ranking.run(Split::kTest, [&](std::span<const evaluate::RankedQuery> queries) {
      for (const evaluate::RankedQuery& query : queries) {
        const std::vector<search::Query> asked = {{query.source, query.relation}};
        const auto scores = scores_of(model, asked).front();
        const auto known = brute.known(query.source, query.relation, graph::kSplits);
        std::uint32_t greater = 0;
        std::uint32_t equal = 0;
        std::uint32_t candidates = 1;
        for (std::uint64_t v = 0; v < scores.size(); ++v) {
          if (EntityId(v) == query.target || known.contains(EntityId(v))) continue;
          ++candidates;
          greater += scores[v] > query.score ? 1 : 0;
          equal += scores[v] == query.score ? 1 : 0;
        }
        EXPECT_EQ(query.score, scores[query.target.index()]);
        EXPECT_EQ(query.n_greater, greater);
        EXPECT_EQ(query.n_equal, equal);
        EXPECT_EQ(query.candidates, candidates);
      }
    });
  });
}

TEST(UltraTest, AnswersAreTheBest) {
  const StoredGraph& stored = shared_graph();
  const std::vector<search::Query> queries = {
      {EntityId(40), RelationId(1)}, {EntityId(2), RelationId(4)}, {EntityId(21), RelationId(0)}};
  std::vector<predict::Answers> expected;
  for (const std::int32_t count : {1, 2, 3})
    on_ranks(stored, {.ranks = count}, [&](const search::Ranks& ranks, Ultra& model) {
      predict::ScoresSearcher searcher(ranks, model, stored.partition_folder(), {.k = 5});
      const auto answers = searcher.search(queries);
      const auto relations = searcher.search_relations(EntityId(2), EntityId(40));
      if (!ranks.comm.is_root()) return;
      ASSERT_EQ(answers.size(), 3U);
      EXPECT_EQ(relations.size(), 3U);
      const auto scores = scores_of(model, queries);
      for (std::size_t q = 0; q < 3; ++q) {
        std::vector<float> sorted = scores[q];
        std::sort(sorted.begin(), sorted.end(), std::greater<>());
        ASSERT_EQ(answers[q].size(), 5U);
        for (std::size_t i = 0; i < 5; ++i) {
          EXPECT_EQ(answers[q][i].score, sorted[i]);
          EXPECT_EQ(scores[q][stored.global_id(answers[q][i].entity).index()], sorted[i]);
        }
      }
    });
}

TEST(UltraTest, AlikeNodesTie) {
  // Entities 1 to 6 lead to 0 in the same way, and each has the same three neighbours in another order of their ids.
  TestGraph graph{.entities = 20, .relations = 3, .splits = {}};
  const auto add = [&](std::uint64_t h, std::uint32_t r, std::uint64_t t) {
    graph.split(Split::kTrain).push_back({EntityId(h), RelationId(r), EntityId(t)});
  };
  for (std::uint64_t e = 1; e <= 6; ++e) {
    add(e, 0, 0);
    for (const std::uint64_t t : {7, 8, 9}) add(e, 1, t);
    for (const std::uint64_t t : {7, 9, 12}) add(e, 2, t);
  }
  add(7, 0, 10);
  add(8, 2, 11);
  std::sort(graph.split(Split::kTrain).begin(), graph.split(Split::kTrain).end(), [](const Triple& a, const Triple& b) {
    return std::tuple(a.relation, a.head, a.tail) < std::tuple(b.relation, b.head, b.tail);
  });
  const StoredGraph stored(graph, 3);
  on_ranks(stored, {}, [&](const search::Ranks&, Ultra& model) {
    const std::vector<search::Query> queries = {{stored.global_id(0), RelationId(3)},
                                                {stored.global_id(7), RelationId(1)}};
    for (const auto& scores : scores_of(model, queries))
      for (std::uint64_t e = 2; e <= 6; ++e)
        EXPECT_EQ(scores[stored.global_id(e).index()], scores[stored.global_id(1).index()]);
  });
}

TEST(UltraTest, ASourceWithoutEdgesHasAnswers) {
  const StoredGraph& stored = shared_graph();
  const EntityId unseen = stored.global_id(49);
  on_ranks(stored, {}, [&](const search::Ranks&, Ultra& model) {
    ASSERT_EQ(model.train_degree(unseen), 0U);
    const std::vector<search::Query> queries = {{unseen, RelationId(0)}};
    const auto scores = scores_of(model, queries).front();
    const auto expected = oracle_scores(random_weights(32, 4, 5), edges_of(stored), 50, 3,
                                        {static_cast<std::uint32_t>(unseen.value()), 0, 0});
    for (std::size_t v = 0; v < expected.size(); ++v)
      EXPECT_NEAR(scores[v], expected[v], 2e-5 * (1 + std::abs(expected[v])));
  });
}

TEST(UltraTest, RefusesWhatCannotWork) {
  TestGraph graph = random_graph({.entities = 20, .relations = 2, .train = 20, .valid = 2, .test = 2});
  graph.split(Split::kTrain).clear();
  const StoredGraph empty(graph, 2);
  expect_error(ExitStatus::kBadData, {"no training triples"},
               [&] { on_ranks(empty, {}, [](const search::Ranks&, Ultra&) {}); });
  expect_error(ExitStatus::kOverBudget, {"a query over 50 entities"},
               [&] { on_ranks(shared_graph(), {.budget_bytes = 20U << 10U}, [](const search::Ranks&, Ultra&) {}); });
  auto huge = random_weights(32, 4, 5);
  for (float& value : huge.at("entity_model.layers.0.relation_projection.2.weight").values) value *= 1e38F;
  comm::run_ranks(1, [&](comm::Communicator& comm) {
    memory::Pool pool(kBudget);
    const graph::Shard shard = shared_graph().load(comm.rank(), comm.size(), pool);
    const execution::HostExecutor host(pool, kernels::cpu_backend(), execution::HostThreads(1));
    const auto model = propagation::make_ultra(
        propagation::take_weights(huge, "w"),
        std::make_shared<MessageGraph>(MessageGraph::of_partition(shard, shared_graph().partition_folder(), pool)),
        host);
    const std::vector<search::Query> queries = all_queries(shared_graph());
    expect_error(ExitStatus::kBadData, {"not numbers"}, [&] { (void)scores_of(*model, queries); });
  });
}

}  // namespace
}  // namespace tessera::test
