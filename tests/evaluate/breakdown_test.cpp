// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/breakdown.hpp"

#include "evaluate/relation_class.hpp"
#include "evaluate_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace tessera::test {
namespace {

using evaluate::Group;
using evaluate::Grouping;
using evaluate::GroupSide;
using evaluate::RankedQuery;
using evaluate::RelationClass;
using graph::Split;

/// Relation 0 leads from each of many heads to one tail of its own, 1 from one head to many tails, 2 from many heads to
/// one tail, 3 from many to many; 4 is in the test split only.
TestGraph graph_of_every_class() {
  TestGraph graph;
  graph.entities = 40;
  graph.relations = 5;
  const auto add = [&](Split split, std::uint64_t head, std::uint32_t relation, std::uint64_t tail) {
    graph.split(split).push_back({EntityId(head), RelationId(relation), EntityId(tail)});
  };
  for (std::uint64_t i = 0; i < 10; ++i) {
    add(Split::kTrain, i, 0, 10 + i);
    add(Split::kTrain, i / 5, 1, 20 + i);
    add(Split::kTrain, 20 + i, 2, i / 5);
    for (std::uint64_t j = 0; j < 3; ++j) add(Split::kTrain, i, 3, (i + j) % 10);
  }
  for (std::uint32_t relation = 0; relation < 5; ++relation)
    for (std::uint64_t i = 0; i < 4; ++i) add(Split::kTest, 30 + i, relation, 5 + 2 * i + relation);
  for (auto& split : graph.splits)
    std::sort(split.begin(), split.end(), [](const Triple& a, const Triple& b) {
      return std::tuple(a.relation, a.head, a.tail) < std::tuple(b.relation, b.head, b.tail);
    });
  return graph;
}

TEST(RelationClassTest, ThresholdIsOneAndAHalf) {
  EXPECT_EQ(evaluate::classify(0, 0, 0), RelationClass::kUnseen);
  EXPECT_EQ(evaluate::classify(10, 10, 10), RelationClass::kOneToOne);
  EXPECT_EQ(evaluate::classify(149, 100, 100), RelationClass::kOneToOne);
  EXPECT_EQ(evaluate::classify(150, 100, 101), RelationClass::kOneToMany);  // 1.5 tails per head
  EXPECT_EQ(evaluate::classify(150, 101, 100), RelationClass::kManyToOne);
  EXPECT_EQ(evaluate::classify(150, 100, 100), RelationClass::kManyToMany);
}

TEST(RelationClassTest, CountsTheTrainingSplitOverAllRanks) {
  const StoredGraph stored(graph_of_every_class(), 7);
  const std::vector<RelationClass> expected = {RelationClass::kOneToOne, RelationClass::kOneToMany,
                                               RelationClass::kManyToOne, RelationClass::kManyToMany,
                                               RelationClass::kUnseen};
  for (const std::int32_t ranks : {1, 2, 3, 7}) {
    comm::run_ranks(ranks, [&](comm::Communicator& comm) {
      memory::Pool pool(16U << 20U);
      const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
      execution::HostExecutor host(pool, kernels::reference_backend(), execution::HostThreads(1));
      EXPECT_EQ(evaluate::relation_classes({comm, shard, host}), expected);
    });
  }
}

TEST(DegreeBucketTest, PowersOfTwo) {
  EXPECT_EQ(evaluate::first_degree(0), 0U);
  EXPECT_EQ(evaluate::last_degree(0), 0U);
  EXPECT_EQ(evaluate::first_degree(1), 1U);
  EXPECT_EQ(evaluate::last_degree(1), 1U);
  EXPECT_EQ(evaluate::first_degree(4), 8U);
  EXPECT_EQ(evaluate::last_degree(4), 15U);
  EXPECT_EQ(evaluate::last_degree(32), 0xFFFFFFFFU);
}

/// The mean of 1 / rank and the number of queries by (key, side), the slow way.
template <class KeyOf>
std::map<std::pair<std::uint64_t, GroupSide>, std::pair<double, std::uint64_t>> by_hand(
    const std::vector<RankedQuery>& queries, std::uint64_t relations, const KeyOf& key_of) {
  std::map<std::pair<std::uint64_t, GroupSide>, std::pair<double, std::uint64_t>> sums;
  for (const RankedQuery& query : queries) {
    const GroupSide side = query.relation.value() < relations ? GroupSide::kTail : GroupSide::kHead;
    for (const GroupSide into : {side, GroupSide::kBoth}) {
      auto& [sum, count] = sums[{key_of(query), into}];
      sum += 1 / (1 + query.n_greater + 0.5 * query.n_equal);
      ++count;
    }
  }
  return sums;
}

template <class KeyOf>
void expect_groups(const std::vector<Group>& groups, const std::vector<RankedQuery>& queries, std::uint64_t relations,
                   const KeyOf& key_of) {
  const auto expected = by_hand(queries, relations, key_of);
  std::size_t found = 0;
  for (const Group& group : groups) {
    for (const GroupSide side : evaluate::kGroupSides) {
      if (group[side].queries == 0) continue;
      ++found;
      const auto at = expected.find({group.key, side});
      ASSERT_NE(at, expected.end()) << group.key;
      EXPECT_EQ(group[side].queries, at->second.second);
      EXPECT_NEAR(group[side].metrics.mrr, at->second.first / static_cast<double>(at->second.second), 1e-14);
    }
  }
  EXPECT_EQ(found, expected.size());
}

TEST(BreakdownTest, EqualsGroupingByHand) {
  const StoredGraph stored(graph_of_every_class(), 5);
  const std::uint64_t relations = stored.graph().relations;
  std::vector<RankedQuery> queries;
  evaluate::Groups groups;
  comm::run_ranks(1, [&](comm::Communicator& comm) {
    memory::Pool pool(16U << 20U);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    const ModelValues values;
    model::Parameters parameters(shard, values.job(), model::StateShape::kNone, pool);
    fill(values, shard, parameters);
    execution::HostExecutor host(pool, kernels::reference_backend(), execution::HostThreads(1));
    const search::Setup setup{{comm, shard, host}, parameters};
    evaluate::Evaluator evaluator(setup, {.block_queries = 8});
    evaluate::Breakdown breakdown(setup);
    evaluator.run(Split::kTest, [&](std::span<const RankedQuery> block) {
      queries.insert(queries.end(), block.begin(), block.end());
      breakdown.add(block);
    });
    groups = breakdown.groups();
  });
  ASSERT_EQ(queries.size(), 40U);
  const auto relation_of = [&](const RankedQuery& query) { return query.relation.value() % relations; };
  expect_groups(groups[Grouping::kRelation], queries, relations, relation_of);
  expect_groups(groups[Grouping::kClass], queries, relations, relation_of);  // relation r has class r
  expect_groups(groups[Grouping::kDegree], queries, relations, [](const RankedQuery& query) {
    std::uint64_t bucket = 0;
    while (query.target_degree > evaluate::last_degree(bucket)) ++bucket;
    return bucket;
  });
  EXPECT_GT(groups[Grouping::kDegree].size(), 2U);
}

}  // namespace
}  // namespace tessera::test
