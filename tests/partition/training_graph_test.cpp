// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/training_graph.hpp"

#include "partition/contraction.hpp"
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

using Lists = std::vector<std::vector<std::uint32_t>>;

// Visits all batches: the neighbours of each vertex, sorted, and the order of the vertices.
Lists visit(partition::Neighbours& graph, std::size_t vertices, std::vector<std::uint32_t>& order) {
  Lists lists(vertices);
  const RandomStream random(1, Purpose::kPartition);
  partition::for_each_batch(graph, vertices, random, [&](const partition::Rows& rows, const partition::Batch& batch) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      order.push_back(batch.vertex(i));
      const auto neighbours = rows.of(batch.vertex(i));
      lists.at(batch.vertex(i)).assign(neighbours.begin(), neighbours.end());
      std::sort(lists.at(batch.vertex(i)).begin(), lists.at(batch.vertex(i)).end());
    }
  });
  return lists;
}

TEST(Adjacency, IsTheSameInBlocksOfAnySizeOnAnyThreads) {
  const GraphOnDisk disk(random_graph({}));
  const graph::GraphReader reader(disk.folder());
  const auto summary = partition::summarise_training(reader);
  const std::vector<std::uint64_t> most(summary.vertex_degree.begin(), summary.vertex_degree.end());
  const std::uint32_t segment = partition::Batch::segment(most.size());
  partition::Adjacency whole(reader, summary.vertex, most, {1U << 30U, segment, 1});
  partition::Adjacency blocks(reader, summary.vertex, most, {1, segment, 3});
  EXPECT_EQ(whole.block_count(), 1U);
  EXPECT_GT(blocks.block_count(), 1U);
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> order_in_blocks;
  EXPECT_EQ(visit(whole, most.size(), order), visit(blocks, most.size(), order_in_blocks));
  EXPECT_EQ(order, order_in_blocks);
  std::sort(order.begin(), order.end());
  for (std::uint32_t v = 0; v < most.size(); ++v) EXPECT_EQ(order.at(v), v);
}

TEST(Contraction, MergesWhatTheTriplesSay) {
  const GraphOnDisk disk(random_graph({}));
  const graph::GraphReader reader(disk.folder());
  const auto summary = partition::summarise_training(reader);
  const std::vector<std::uint64_t> most(summary.vertex_degree.begin(), summary.vertex_degree.end());
  partition::Adjacency finer(reader, summary.vertex, most, {1U << 30U});
  std::vector<std::uint32_t> coarse_of(most.size());
  for (std::uint32_t v = 0; v < coarse_of.size(); ++v) coarse_of[v] = v % 7;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> expected;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> found;
  std::shared_ptr<partition::MergedGraph> merged;
  finer.for_each_block([&](const partition::Rows& rows) {
    merged = partition::contract(rows, {coarse_of, 7, 1U << 30U, 3});
    EXPECT_EQ(partition::contract(rows, {coarse_of, 7, 10, 3}), nullptr);  // too many bytes
    for (std::uint32_t v = 0; v < most.size(); ++v)
      for (const std::uint32_t w : rows.of(v))
        if (coarse_of[v] != coarse_of[w]) ++expected[{coarse_of[v], coarse_of[w]}];
  });
  for (std::uint32_t c = 0; c < 7; ++c)
    for (std::size_t i = 0; i < merged->rows().of(c).size(); ++i)
      EXPECT_TRUE(found.emplace(std::pair(c, merged->rows().of(c)[i]), merged->rows().weights_of(c)[i]).second);
  EXPECT_EQ(found, expected);
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
