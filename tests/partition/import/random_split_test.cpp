// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/random_split.hpp"

#include "import_fixture.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace tessera::partition {
namespace {

using Keys = std::set<TripleKey>;

Keys random_graph(std::uint64_t entities, std::uint64_t relations, std::uint64_t triples, KeyLayout layout) {
  std::mt19937_64 random(entities + triples);
  Keys keys;
  while (keys.size() < triples)
    keys.insert(layout.pack(random() % entities, random() % relations, random() % entities));
  return keys;
}

SplitTriples stored(const Keys& keys, KeyLayout layout) {
  KeyFile file(std::filesystem::temp_directory_path(), layout);
  for (const TripleKey key : keys) file.add(key);
  return SplitTriples(std::move(file));
}

std::vector<TripleKey> loaded(const SplitTriples& triples) {
  std::vector<TripleKey> keys;
  KeyFile::Reader reader(triples.keys());
  for (auto block = reader.next(); !block.empty(); block = reader.next())
    keys.insert(keys.end(), block.begin(), block.end());
  return keys;
}

struct Graph {
  std::uint64_t entities;
  std::uint64_t relations;
  std::uint64_t triples;
};

ThreeSplits split(const Graph& graph, double valid, double test, std::uint64_t seed, std::uint64_t memory = 1U << 20U) {
  const KeyLayout layout = KeyLayout::for_counts(graph.entities, graph.relations);
  return split_at_random(stored(random_graph(graph.entities, graph.relations, graph.triples, layout), layout),
                         {valid, test, seed, graph.entities, graph.relations},
                         {std::filesystem::temp_directory_path(), memory});
}

void expect_sound(const Graph& graph, const ThreeSplits& three) {
  const KeyLayout layout = KeyLayout::for_counts(graph.entities, graph.relations);
  std::vector<TripleKey> all;
  std::set<std::uint64_t> entities;
  std::set<std::uint64_t> relations;
  for (const SplitTriples& part : three) {
    const std::vector<TripleKey> keys = loaded(part);
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
    all.insert(all.end(), keys.begin(), keys.end());
    for (const TripleKey key : keys) {
      if (&part == &three[0]) {
        entities.insert({layout.head(key), layout.tail(key)});
        relations.insert(layout.relation(key));
      } else {
        EXPECT_TRUE(entities.contains(layout.head(key)) && entities.contains(layout.tail(key)));
        EXPECT_TRUE(relations.contains(layout.relation(key)));
      }
    }
  }
  std::sort(all.begin(), all.end());
  const Keys expected = random_graph(graph.entities, graph.relations, graph.triples, layout);
  EXPECT_TRUE(std::equal(all.begin(), all.end(), expected.begin(), expected.end())) << "every triple is in one split";
}

TEST(RandomSplit, GivesTheFractionsAndKeepsTrainComplete) {
  const Graph dense{100, 5, 5000};
  const ThreeSplits three = split(dense, 0.05, 0.1, 1);
  EXPECT_EQ(three[1].size(), 250U);
  EXPECT_EQ(three[2].size(), 500U);
  expect_sound(dense, three);
}

TEST(RandomSplit, SparseGraphsGiveWhatTheyCan) {
  const Graph sparse{3000, 40, 3000};
  const ThreeSplits three = split(sparse, 0.3, 0.3, 1);
  expect_sound(sparse, three);
  EXPECT_GT(three[1].size(), 0U);
  EXPECT_LT(three[1].size() + three[2].size(), 1800U);
  // Nothing more can be taken: every triple left in train is the last of something.
  const KeyLayout layout = KeyLayout::for_counts(sparse.entities, sparse.relations);
  std::map<std::uint64_t, int> uses;
  std::map<std::uint64_t, int> relation_uses;
  const std::vector<TripleKey> train = loaded(three[0]);
  for (const TripleKey key : train) {
    ++uses[layout.head(key)];
    if (layout.tail(key) != layout.head(key)) ++uses[layout.tail(key)];
    ++relation_uses[layout.relation(key)];
  }
  for (const TripleKey key : train)
    EXPECT_TRUE(uses[layout.head(key)] == 1 || uses[layout.tail(key)] == 1 || relation_uses[layout.relation(key)] == 1);
}

TEST(RandomSplit, DependsOnTheSeedAndNothingElse) {
  const Graph graph{500, 7, 20'000};
  const ThreeSplits one = split(graph, 0.1, 0.1, 5);
  const ThreeSplits same = split(graph, 0.1, 0.1, 5, 1);  // many small runs
  const ThreeSplits other = split(graph, 0.1, 0.1, 6);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(loaded(one.at(i)) == loaded(same.at(i)));
    EXPECT_FALSE(loaded(one.at(i)) == loaded(other.at(i)));
  }
}

TEST(RandomSplit, IsNotBiasedTowardsAnyRelation) {
  const Graph graph{2000, 10, 50'000};
  const ThreeSplits three = split(graph, 0.1, 0.1, 3);
  const KeyLayout layout = KeyLayout::for_counts(graph.entities, graph.relations);
  for (const std::size_t part : {1, 2}) {
    std::array<double, 10> counts{};
    for (const TripleKey key : loaded(three.at(part))) counts.at(layout.relation(key)) += 1;
    for (const double count : counts) EXPECT_NEAR(count, 500, 100);  // 4.7 standard deviations
  }
}

TEST(RandomSplit, EdgeCases) {
  for (const Graph& graph : {Graph{1, 1, 1}, Graph{2, 1, 2}, Graph{3, 2, 5}})
    for (const double fraction : {0.0, 0.05, 0.45}) expect_sound(graph, split(graph, fraction, fraction, 1));
  EXPECT_EQ(split({10, 2, 50}, 0, 0, 1)[0].size(), 50U);
  EXPECT_EQ(split({10, 2, 50}, 0, 0.5, 1)[1].size(), 0U);
  EXPECT_EQ(split({10, 2, 50}, 0, 0.5, 1)[2].size(), 25U);
}

}  // namespace
}  // namespace tessera::partition
