// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Sums over parts and the bookkeeping of row requests, against brute force.

#include "core/random.hpp"
#include "exchange/row_sort.hpp"
#include "exchange/rows/row_requests.hpp"
#include "exchange/tree/part_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace tessera::exchange {
namespace {

TEST(PartTree, SubtreesTileWhatIsOwned) {
  for (std::uint32_t parts = 1; parts <= 20; ++parts)
    for (std::uint32_t first = 0; first < parts; ++first)
      for (std::uint32_t end = first + 1; end <= parts; ++end) {
        std::uint32_t at = first;
        for (const PartRange node : complete_subtrees({first, end}, parts)) {
          EXPECT_EQ(node.first, at);
          at = node.end;
        }
        EXPECT_EQ(at, end);
      }
  EXPECT_EQ(complete_subtrees({0, 8}, 8).size(), 1U);
  EXPECT_EQ(complete_subtrees({1, 8}, 8).size(), 3U);  // 1, 2-3, 4-7
}

TEST(PartTree, RanksTileTheTree) {
  for (const auto& [parts, ranks] : {std::pair(8U, 1), {8U, 3}, {5U, 2}, {7U, 7}}) {
    const graph::Placement placement(parts, ranks);
    const RankSubtrees subtrees = rank_subtrees(placement);
    ASSERT_EQ(subtrees.first.size(), static_cast<std::size_t>(ranks) + 1);
    EXPECT_EQ(subtrees.first.back(), subtrees.all.size());
    std::uint32_t next = 0;
    for (std::int32_t r = 0; r < ranks; ++r) {
      EXPECT_EQ(next, placement.first_part(Rank(r)).value());
      for (std::size_t k = subtrees.first[static_cast<std::size_t>(r)];
           k < subtrees.first[static_cast<std::size_t>(r) + 1]; ++k) {
        EXPECT_EQ(subtrees.all[k].first, next);
        next = subtrees.all[k].end;
      }
    }
    EXPECT_EQ(next, parts);
  }
}

TEST(PartTree, AddsInPairs) {
  const std::vector<double> values = {1e16, 1.0, -1e16, 1.0, 3.0};
  EXPECT_EQ(tree_sum(values), ((1e16 + 1.0) + (-1e16 + 1.0)) + 3.0);
  EXPECT_EQ(tree_sum(std::vector<double>{}), 0.0);
}

TEST(RadixSort, IsStableAndEqualsTheStandardSort) {
  const RandomStream stream(1, Purpose::kInit);
  for (const std::size_t count : {0U, 1U, 2U, 1000U, 5000U}) {
    std::vector<std::uint64_t> keys(count);
    for (std::size_t i = 0; i < count; ++i) keys[i] = (stream.below(i, 700) << kPositionBits) | i;
    std::vector<std::uint64_t> expected = keys;
    std::stable_sort(expected.begin(), expected.end(),
                     [](auto a, auto b) { return (a >> kPositionBits) < (b >> kPositionBits); });
    std::vector<std::uint64_t> scratch(count);
    radix_sort(keys, scratch, kPositionBits, kPositionBits + 10);
    EXPECT_EQ(keys, expected);
  }
}

TEST(RowRequests, FindWhatEachOwnerIsAskedFor) {
  graph::PartitionManifest manifest;
  manifest.offsets = {0, 40, 40, 75, 100};
  manifest.entity_count = 100;
  memory::Pool pool(std::uint64_t{1} << 20U);
  const PartId part(2);
  RowRequests requests(manifest, part, 300, pool);
  const RandomStream stream(3, Purpose::kInit);
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::vector<std::uint64_t> occurrences;
    for (std::uint64_t i = 0; i < 15 * round; ++i) occurrences.push_back(stream.below(1000 * round + i, 100));
    requests.build(occurrences);
    const std::set<std::uint64_t> distinct(occurrences.begin(), occurrences.end());
    ASSERT_EQ(std::vector<std::uint64_t>(requests.entities().begin(), requests.entities().end()),
              std::vector<std::uint64_t>(distinct.begin(), distinct.end()));
    std::map<std::uint64_t, std::uint32_t> halo;  // entity -> row behind the own rows
    for (const std::uint64_t entity : distinct)
      if (entity < 40 || entity >= 75) halo.emplace(entity, 35 + static_cast<std::uint32_t>(halo.size()));
    for (std::size_t i = 0; i < occurrences.size(); ++i) {
      const std::uint64_t entity = occurrences[i];
      const bool own = entity >= 40 && entity < 75;
      EXPECT_EQ(requests.table_rows()[i], own ? entity - 40 : halo.at(entity));
      EXPECT_EQ(requests.entities()[requests.distinct()[i]], entity);
    }
    for (std::uint32_t q = 0; q < 4; ++q) {
      const auto asked = std::count_if(distinct.begin(), distinct.end(), [&](std::uint64_t entity) {
        return entity >= manifest.offsets[q] && entity < manifest.offsets[q + 1];
      });
      EXPECT_EQ(requests.count(PartId(q)), asked);
      if (PartId(q) != part && asked > 0) {
        EXPECT_EQ(requests.halo_row(PartId(q)), halo.lower_bound(manifest.offsets[q])->second);
      }
    }
  }
}

}  // namespace
}  // namespace tessera::exchange
