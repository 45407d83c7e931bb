// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/training_graph.hpp"

#include "partition/signature.hpp"
#include "partition/undirected_graph.hpp"
#include "partition_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace tessera::test {
namespace {

using partition::kLoose;

Triple triple(std::uint64_t head, std::uint32_t relation, std::uint64_t tail) {
  return {EntityId(head), RelationId(relation), EntityId(tail)};
}

// Entity 1 has a loop only, entity 4 nothing; 0-2 is linked three times, in both directions.
TestGraph small_graph() {
  return training_only(6, 2,
                       {triple(0, 0, 2), triple(2, 0, 0), triple(0, 1, 2), triple(1, 0, 1), triple(2, 0, 2),
                        triple(5, 1, 3), triple(3, 0, 2)});
}

TEST(TrainingSummary, CountsDegreesAndVertices) {
  const GraphOnDisk disk(small_graph());
  const auto summary = partition::summarise_training(graph::GraphReader(disk.folder()));
  EXPECT_EQ(summary.degree, (std::vector<std::uint32_t>{3, 2, 6, 2, 0, 1}));
  EXPECT_EQ(summary.vertex, (std::vector<std::uint32_t>{0, kLoose, 1, 2, kLoose, 3}));
  EXPECT_EQ(summary.vertex_degree, (std::vector<std::uint32_t>{3, 6, 2, 1}));
  EXPECT_EQ(summary.relation_offsets, (std::vector<std::uint64_t>{0, 5, 7}));
}

TEST(UndirectedGraph, DropsLoopsAndMergesParallelEdges) {
  const GraphOnDisk disk(small_graph());
  const graph::GraphReader reader(disk.folder());
  const auto graph = partition::build_undirected_graph(reader, partition::summarise_training(reader), 1U << 20U);
  EXPECT_EQ(graph.offsets, (std::vector<std::uint64_t>{0, 1, 3, 5, 6}));
  EXPECT_EQ(graph.neighbours, (std::vector<std::uint32_t>{1, 0, 2, 1, 3, 2}));
  EXPECT_EQ(graph.weights, (std::vector<std::uint32_t>{3, 3, 1, 1, 1, 1}));
  EXPECT_EQ(graph.queries, (std::vector<std::uint32_t>{3, 6, 2, 1}));
}

TEST(UndirectedGraph, EqualsBruteForceInBlocksOfAnySize) {
  GraphSpec spec;
  spec.train = 900;
  const GraphOnDisk disk(random_graph(spec));
  const graph::GraphReader reader(disk.folder());
  const auto summary = partition::summarise_training(reader);
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> expected;
  for (const Triple& t : disk.graph().split(graph::Split::kTrain)) {
    if (t.head == t.tail) continue;
    ++expected[{summary.vertex[t.head.index()], summary.vertex[t.tail.index()]}];
    ++expected[{summary.vertex[t.tail.index()], summary.vertex[t.head.index()]}];
  }
  for (const std::uint64_t block_bytes : {1U, 1000U, 1U << 20U}) {
    const auto graph = partition::build_undirected_graph(reader, summary, block_bytes);
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> found;
    for (std::uint32_t v = 0; v < graph.vertex_count(); ++v)
      for (std::uint64_t i = graph.offsets[v]; i < graph.offsets[v + 1]; ++i)
        found[{v, graph.neighbours[i]}] = graph.weights[i];
    EXPECT_EQ(found, expected) << block_bytes;
    EXPECT_EQ(graph.neighbours.size(), expected.size()) << block_bytes;
  }
}

TEST(Adjacency, ShuffledVisitsEveryVertexOnce) {
  const GraphOnDisk disk(random_graph({}));
  const graph::GraphReader reader(disk.folder());
  const auto summary = partition::summarise_training(reader);
  const std::vector<std::uint64_t> most(summary.vertex_degree.begin(), summary.vertex_degree.end());
  partition::Adjacency adjacency(reader, summary.vertex, most, 500);
  EXPECT_GT(adjacency.block_count(), 3U);
  std::vector<std::uint32_t> ordered(most.size());
  std::vector<std::uint32_t> shuffled(most.size());
  std::vector<std::uint32_t> order;
  adjacency.for_each(
      [&](std::uint32_t v, auto neighbours) { ordered.at(v) += 1 + static_cast<std::uint32_t>(neighbours.size()); });
  adjacency.for_each_shuffled(RandomStream(1, Purpose::kPartition), [&](std::uint32_t v, auto neighbours) {
    shuffled.at(v) += 1 + static_cast<std::uint32_t>(neighbours.size());
    order.push_back(v);
  });
  EXPECT_EQ(shuffled, ordered);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
}

TEST(Signatures, MostFrequentRelationDecidesFirst) {
  // Relation 1 has three triples, relation 0 two. Directed: 1, 3 (inverse of 1), 0, 2 (inverse of 0).
  const GraphOnDisk disk(
      training_only(8, 2, {triple(0, 1, 1), triple(2, 1, 3), triple(2, 1, 1), triple(4, 0, 2), triple(5, 0, 0)}));
  const graph::GraphReader reader(disk.folder());
  const auto summary = partition::summarise_training(reader);
  EXPECT_EQ(partition::relations_by_frequency(summary),
            (std::vector<RelationId>{RelationId(1), RelationId(3), RelationId(0), RelationId(2)}));
  // {1, 2}: entities 0 and 2; {3}: 1 and 3; {0}: 4 and 5; none: 6 and 7.
  EXPECT_EQ(partition::signature_ranks(reader, summary), (std::vector<std::uint32_t>{0, 1, 0, 1, 2, 2, 3, 3}));
}

}  // namespace
}  // namespace tessera::test
