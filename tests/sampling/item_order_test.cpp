// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/item_order.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace tessera::sampling {
namespace {

using Triple = std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>;  // relation, source, target
constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

/// One part of 3,000 entities and 350 relations: more than 256 chunks, one list of 3,000 targets.
class ItemOrderTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  ItemOrderTest() {
    manifest_.entity_count = 4000;
    manifest_.relation_count = 350;
    manifest_.offsets = {0, 3000, 4000};
    const RandomStream random(1, Purpose::kSplit);
    std::set<Query> queries;
    for (std::uint64_t i = 0; i < GetParam(); ++i)
      queries.insert({LocalRow(static_cast<std::uint32_t>(random.below(3 * i, 1000))),
                      RelationId(static_cast<std::uint32_t>(random.below(3 * i + 1, 700))),
                      EntityId(random.below(3 * i + 2, 4000))});
    for (std::uint64_t t = 0; t < 3000; ++t) queries.insert({LocalRow(7), RelationId(5), EntityId(t)});
    is_whole_ = queries.size() <= ItemOrder::kGroupChunks * packing::kChunkQueries;
    queries_.assign(queries.begin(), queries.end());
    part_.emplace(
        graph::Part::made(manifest_, PartId(0), graph::to_columns(queries_, 2 * manifest_.relation_count), pool_));
  }
  [[nodiscard]] const graph::QuerySet& set() const { return part_->queries(graph::Split::kTrain); }

  /// The items of an epoch in its order, each as its triples.
  std::vector<std::vector<Triple>> epoch(ItemOrder& order, std::uint32_t epoch, std::uint64_t items) {
    std::vector<std::vector<Triple>> found;
    for (std::uint64_t i = 0; i < items;)
      for (const std::uint64_t end = order.seek(3, epoch, i); i < std::min(end, items); ++i) {
        const ItemOrder::Item item = order.item(i);
        auto& triples = found.emplace_back();
        for (std::uint32_t q = item.first; q < item.first + item.count; ++q)
          triples.emplace_back(order.relation(q), order.source(q), order.target(q));
      }
    return found;
  }
  [[nodiscard]] std::vector<Triple> expected() const {
    std::vector<Triple> all;
    for (const Query& query : queries_)
      all.emplace_back(query.relation.value(), query.source.value(), query.target.value());
    std::sort(all.begin(), all.end());
    return all;
  }
  static std::vector<Triple> sorted(const std::vector<std::vector<Triple>>& items) {
    std::vector<Triple> all;
    for (const auto& item : items) all.insert(all.end(), item.begin(), item.end());
    std::sort(all.begin(), all.end());
    return all;
  }

  graph::PartitionManifest manifest_;
  memory::Pool pool_{std::uint64_t{1} << 25U};
  std::vector<Query> queries_;
  bool is_whole_ = false;
  std::optional<graph::Part> part_;
};

TEST_P(ItemOrderTest, AnEpochHasEveryQueryOnceInItsOwnOrder) {
  ASSERT_GT(set().chunk_count(), 2 * ItemOrder::kGroupChunks);
  ASSERT_EQ(is_whole_, GetParam() < 100000);
  ItemOrder order(*part_, {queries_.size(), 0, 1}, pool_);
  const auto first = epoch(order, 0, queries_.size());
  const auto second = epoch(order, 1, queries_.size());
  EXPECT_EQ(sorted(first), expected());
  EXPECT_EQ(sorted(second), expected());
  EXPECT_NE(first, second);
  ItemOrder other(*part_, {queries_.size(), 0, 1}, pool_);
  EXPECT_EQ(epoch(other, 1, queries_.size()), second) << "without the epochs before";
}

// Queries of many relations stand beside each other: a group of chunks is shuffled, not a chunk.
TEST_P(ItemOrderTest, NeighboursAreOfManyRelations) {
  ItemOrder order(*part_, {queries_.size(), 0, 1}, pool_);
  const auto items = epoch(order, 0, queries_.size());
  for (std::size_t begin = 0; begin + 500 <= items.size(); begin += 500) {
    std::set<std::uint32_t> relations;
    for (std::size_t i = begin; i < begin + 500; ++i) relations.insert(std::get<0>(items[i].front()));
    EXPECT_GT(relations.size(), 100U);
  }
}

TEST_P(ItemOrderTest, GroupedItemsAreListsOrPiecesOfThem) {
  for (const std::uint64_t most : {std::uint64_t{32}, kAll}) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> lists;
    for (const Query& query : queries_) ++lists[{query.relation.value(), query.source.value()}];
    std::uint64_t items = 0;
    std::uint64_t largest = 0;
    for (const auto& [key, count] : lists) {
      items += most == kAll ? 1 : (count + most - 1) / most;
      largest = std::max(largest, std::min(count, most));
    }
    ItemOrder order(*part_, {queries_.size(), most, largest}, pool_);
    const auto found = epoch(order, 0, items);
    EXPECT_EQ(sorted(found), expected());
    for (const auto& item : found) {
      EXPECT_LE(item.size(), most);
      for (const Triple& triple : item) {
        EXPECT_EQ(std::get<0>(triple), std::get<0>(item.front()));
        EXPECT_EQ(std::get<1>(triple), std::get<1>(item.front()));
      }
    }
  }
}

TEST_P(ItemOrderTest, StepsMayBeginAnywhere) {
  ItemOrder order(*part_, {queries_.size(), 0, 1}, pool_);
  const auto whole = epoch(order, 4, queries_.size());
  ItemOrder late(*part_, {queries_.size(), 0, 1}, pool_);
  const std::uint64_t middle = queries_.size() / 2 + 17;
  ASSERT_GT(late.seek(3, 4, middle), middle);
  const std::uint32_t query = late.item(middle).first;
  EXPECT_EQ(Triple(late.relation(query), late.source(query), late.target(query)), whole[middle].front());
}

// Shuffled as a whole, and in groups.
INSTANTIATE_TEST_SUITE_P(All, ItemOrderTest, testing::Values(30000, 320000));

}  // namespace
}  // namespace tessera::sampling
