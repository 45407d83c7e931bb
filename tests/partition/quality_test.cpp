// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition_fixture.hpp"

#include <gtest/gtest.h>

namespace tessera::test {
namespace {

class Quality : public ::testing::TestWithParam<const char*> {};

TEST_P(Quality, FindsPlantedCommunities) {
  const GraphOnDisk disk(planted_communities(8, 250, 16000, 8));
  const auto manifest = partition::partition_graph(disk.options(GetParam(), 8));
  const double cut = graph::cut_fraction(manifest.figures);
  EXPECT_EQ(manifest.method, GetParam());
  EXPECT_NEAR(cut, counted_cut(disk.graph(), parts_of(manifest)), 1e-12);
  EXPECT_LT(cut, 0.10);  // 7 % of the triples are planted across
  EXPECT_NEAR(graph::cut_fraction(manifest.random_figures), 0.875, 0.02);
  EXPECT_LE(graph::row_balance(manifest.figures), 1.05);
  EXPECT_LE(graph::query_balance(manifest.figures), 1.05);
}

TEST_P(Quality, BalancesRowsAndQueriesOfASkewedGraph) {
  GraphSpec spec;
  spec.entities = 3000;
  spec.relations = 10;
  spec.train = 20000;
  spec.hubs = 20;
  const GraphOnDisk disk(random_graph(spec));
  const auto manifest = partition::partition_graph(disk.options(GetParam(), 4));
  EXPECT_LE(graph::row_balance(manifest.figures), 1.10);
  EXPECT_LE(graph::query_balance(manifest.figures), 1.10);
  EXPECT_LT(graph::cut_fraction(manifest.figures), graph::cut_fraction(manifest.random_figures));
}

TEST_P(Quality, SpreadsEntitiesWithoutTriples) {
  GraphSpec spec;
  spec.entities = 400;
  spec.unseen = 300;
  const GraphOnDisk disk(random_graph(spec));
  const auto manifest = partition::partition_graph(disk.options(GetParam(), 4));
  for (const auto& part : manifest.figures) EXPECT_EQ(part.rows, 100U);
}

TEST_P(Quality, HandlesAStar) {
  std::vector<Triple> spokes;
  for (std::uint64_t i = 1; i < 200; ++i) spokes.push_back({EntityId(0), RelationId(0), EntityId(i)});
  const GraphOnDisk disk(training_only(200, 1, spokes));
  const auto manifest = partition::partition_graph(disk.options(GetParam(), 4));
  for (const auto& part : manifest.figures) EXPECT_GT(part.rows, 0U);
}

TEST_P(Quality, HandlesLoopsOnlyAndNoTriplesAtAll) {
  for (const std::uint64_t loops : {0U, 6U}) {
    std::vector<Triple> triples;
    for (std::uint64_t i = 0; i < loops; ++i) triples.push_back({EntityId(i), RelationId(0), EntityId(i)});
    const GraphOnDisk disk(training_only(9, 1, triples));
    const auto manifest = partition::partition_graph(disk.options(GetParam(), 3));
    for (const auto& part : manifest.figures) {
      EXPECT_EQ(part.rows, 3U) << loops;
      EXPECT_EQ(part.queries, 2 * loops / 3) << loops;
    }
    EXPECT_EQ(graph::cut_fraction(manifest.figures), 0);
  }
}

TEST_P(Quality, GivesEachEntityItsOwnPartIfAsked) {
  const GraphOnDisk disk(random_graph({}));
  const auto manifest = partition::partition_graph(disk.options(GetParam(), disk.graph().entities));
  for (const auto& part : manifest.figures) EXPECT_EQ(part.rows, 1U);
}

INSTANTIATE_TEST_SUITE_P(Methods, Quality, ::testing::Values("metis", "stream"));

TEST(Report, NamesCutBalanceAndHaloBesideRandom) {
  const GraphOnDisk disk(planted_communities(2, 50, 600, 5));
  const LogCapture log;
  partition::partition_graph(disk.options("metis", 2));
  const std::string text = log.text(log::Level::kInfo);
  for (const char* expected : {"part 0: 50 rows, ", "cut ", "(random 5", "balance, largest part over mean: rows 1.0",
                               "halo rows of all parts "})
    EXPECT_NE(text.find(expected), std::string::npos) << expected << " is missing in\n" << text;
}

TEST(Report, LeavesRandomOutIfAsked) {
  const GraphOnDisk disk(random_graph({}));
  const LogCapture log;
  auto options = disk.options("stream", 2);
  options.compare_random = false;
  EXPECT_TRUE(partition::partition_graph(options).random_figures.empty());
  EXPECT_EQ(log.text(log::Level::kInfo).find("random"), std::string::npos);
}

}  // namespace
}  // namespace tessera::test
