// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/shard.hpp"

#include "core/error.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

namespace tessera {
namespace {

using graph::Placement;
using graph::Split;

TEST(Placement, ContiguousEvenAndComplete) {
  for (std::uint32_t parts = 1; parts <= 40; ++parts)
    for (std::int32_t ranks = 1; ranks <= static_cast<std::int32_t>(parts); ++ranks) {
      const Placement placement(parts, ranks);
      EXPECT_EQ(placement.part_count(), parts);
      EXPECT_EQ(placement.rank_count(), ranks);
      EXPECT_EQ(placement.first_part(Rank(0)), PartId(0));
      EXPECT_EQ(placement.end_part(Rank(ranks - 1)), PartId(parts));
      std::uint32_t before = parts;
      for (std::int32_t rank = 0; rank < ranks; ++rank) {
        const std::uint32_t first = placement.first_part(Rank(rank)).value();
        const std::uint32_t end = placement.end_part(Rank(rank)).value();
        ASSERT_LT(first, end) << "every rank has a part";
        EXPECT_LE(end - first, before) << "the longer runs come first";
        before = end - first;
        EXPECT_LE(before, (parts + static_cast<std::uint32_t>(ranks) - 1) / static_cast<std::uint32_t>(ranks));
        EXPECT_GE(before, parts / static_cast<std::uint32_t>(ranks));
        for (std::uint32_t part = first; part < end; ++part) EXPECT_EQ(placement.rank_of(PartId(part)), Rank(rank));
      }
    }
}

// No other lengths let the slowest rank be done earlier: all of them are tried.
TEST(Placement, BySpeedEndsTheSlowestRankAsEarlyAsCanBe) {
  const auto latest = [](const std::vector<std::uint32_t>& lengths, const std::vector<double>& speeds) {
    double time = 0;
    for (std::size_t r = 0; r < lengths.size(); ++r) time = std::max(time, lengths[r] / speeds[r]);
    return time;
  };
  for (const std::vector<double>& speeds : {std::vector<double>{1, 1, 1}, {5, 1, 2}, {1, 100, 1}, {0.3, 0.2, 0.9}})
    for (std::uint32_t parts = 3; parts <= 14; ++parts) {
      const Placement placement = Placement::by_speed(parts, speeds);
      std::vector<std::uint32_t> lengths;
      for (std::int32_t rank = 0; rank < 3; ++rank) lengths.push_back(placement.part_count(Rank(rank)));
      EXPECT_EQ(lengths[0] + lengths[1] + lengths[2], parts);
      double best = 1e9;
      for (std::uint32_t a = 1; a + 2 <= parts; ++a)
        for (std::uint32_t b = 1; a + b + 1 <= parts; ++b) best = std::min(best, latest({a, b, parts - a - b}, speeds));
      EXPECT_LE(latest(lengths, speeds), best * (1 + 1e-12)) << parts << " parts";
    }
  EXPECT_EQ(Placement::by_speed(8, std::vector<double>{3, 1}).part_count(Rank(0)), 6U);
  test::expect_error(ExitStatus::kUsage, {"every rank needs one"}, [] {
    (void)Placement::by_speed(1, std::vector<double>{1, 1});
  });
}

TEST(Placement, OfAListIsContiguous) {
  const Placement placement(std::vector<std::uint32_t>{1, 4, 2});
  EXPECT_EQ(placement.part_count(), 7U);
  EXPECT_EQ(placement.first_part(Rank(1)), PartId(1));
  EXPECT_EQ(placement.end_part(Rank(1)), PartId(5));
  const std::vector<std::int32_t> owners = {0, 1, 1, 1, 1, 2, 2};
  for (std::uint32_t part = 0; part < 7; ++part) EXPECT_EQ(placement.rank_of(PartId(part)), Rank(owners[part]));
}

TEST(Placement, RefusesRanksWithoutAPart) {
  for (const auto& [parts, ranks] : {std::pair{1U, 2}, std::pair{8U, 9}, std::pair{3U, 1000}, std::pair{0U, 1}})
    test::expect_error(ExitStatus::kUsage, {"every rank needs one", std::to_string(ranks) + " ranks"},
                       [&, p = parts, r = ranks] { Placement(p, r); });
  test::expect_error(ExitStatus::kUsage, {"0 ranks"}, [] { Placement(4, 0); });
  test::expect_error(ExitStatus::kUsage, {"-1 ranks"}, [] { Placement(4, -1); });
}

// Every triple is two queries, one at each end; together the shards of any number of ranks have exactly those.
TEST(Shard, HoldsEveryQueryOnceOnAnyNumberOfRanks) {
  const test::StoredGraph stored(test::random_graph({}), 7);
  for (const Split split : graph::kSplits) {
    std::map<std::tuple<std::uint64_t, std::uint32_t, std::uint64_t>, int> expected;
    for (const Triple& triple : stored.graph().split(split)) {
      const std::uint64_t head = stored.global_id(triple.head.value()).value();
      const std::uint64_t tail = stored.global_id(triple.tail.value()).value();
      const std::uint32_t inverse = triple.relation.value() + static_cast<std::uint32_t>(stored.graph().relations);
      ++expected[{head, triple.relation.value(), tail}];
      ++expected[{tail, inverse, head}];
    }
    for (std::int32_t ranks = 1; ranks <= 7; ++ranks) {
      auto missing = expected;
      for (std::int32_t rank = 0; rank < ranks; ++rank) {
        memory::Pool pool(std::uint64_t{1} << 24U);
        const graph::Shard shard = stored.load(Rank(rank), ranks, pool);
        EXPECT_EQ(shard.rank, Rank(rank));
        for (const graph::Part& part : shard.parts) {
          EXPECT_EQ(shard.placement.rank_of(part.id()), Rank(rank));
          const auto& queries = part.queries(split);
          for (std::uint64_t i = 0; i < queries.size(); ++i) {
            const Query query = queries.query(i);
            --missing[{part.first_entity().value() + query.source.value(), query.relation.value(),
                       query.target.value()}];
          }
        }
      }
      for (const auto& [query, count] : missing) EXPECT_EQ(count, 0);
    }
  }
}

TEST(Shard, KnowsTheOwnerOfEveryEntity) {
  const test::StoredGraph stored(test::random_graph({}), 5);
  memory::Pool pool(std::uint64_t{1} << 24U);
  const graph::Shard shard = stored.load(Rank(1), 3, pool);
  for (std::uint64_t entity = 0; entity < stored.graph().entities; ++entity) {
    std::uint32_t part = 0;
    while (stored.manifest().offsets[part + 1] <= entity) ++part;
    EXPECT_EQ(shard.owner_rank(EntityId(entity)), Rank(part < 2 ? 0 : part < 4 ? 1 : 2));
  }
}

TEST(Shard, WhatIsMissing) {
  const test::StoredGraph stored(test::random_graph({}), 2);
  memory::Pool pool(std::uint64_t{1} << 24U);
  test::expect_error(ExitStatus::kMissingInput, {"parts-5", "'tessera partition", "--parts 5' makes it"},
                     [&] { graph::load_shard(stored.folder() / "parts-5", Rank(0), Placement(5, 1), pool); });
  test::expect_error(ExitStatus::kUsage, {"3 ranks cannot share 2 parts"},
                     [&] { (void)stored.load(Rank(0), 3, pool); });
  std::filesystem::remove(stored.partition_folder() / "part-0001.h5");
  EXPECT_NO_THROW((void)stored.load(Rank(0), 2, pool)) << "a rank reads its own chunks only";
  test::expect_error(ExitStatus::kMissingInput, {"part-0001.h5"}, [&] { (void)stored.load(Rank(1), 2, pool); });
}

// Files larger than a quarter of the budget stay where they are, unless the job says so.
TEST(QueryPlace, FollowsTheJobOrTheSize) {
  const test::StoredGraph stored(test::random_graph({}), 3, 1);
  const Placement all(3, 1);
  std::uint64_t bytes = 0;
  for (std::uint32_t p = 0; p < 3; ++p)
    bytes += std::filesystem::file_size(stored.partition_folder() / graph::part_file_name(PartId(p)));
  const auto place = [&](const std::string& setting, std::uint64_t budget) {
    return graph::choose_query_place(setting, stored.partition_folder(), Rank(0), all, budget);
  };
  EXPECT_EQ(place("memory", 1), graph::QueryPlace::kMemory);
  EXPECT_EQ(place("stream", 100 * bytes), graph::QueryPlace::kFile);
  EXPECT_EQ(place("auto", 4 * bytes), graph::QueryPlace::kMemory);
  EXPECT_EQ(place("auto", 4 * bytes - 4), graph::QueryPlace::kFile);
}

}  // namespace
}  // namespace tessera
