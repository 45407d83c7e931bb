// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rounds/round_order.hpp"

#include "core/mix.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>

namespace tessera::train {
namespace {

struct Sizes {
  std::uint32_t parts;
  std::uint32_t resident;
};

constexpr Sizes kSizes[] = {{3, 2}, {4, 2}, {5, 3}, {8, 4}, {16, 4}, {16, 8}, {64, 16}, {30, 12}, {256, 64}, {17, 16}};

// Mohoney et al., OSDI 2021: no order has fewer swaps.
double least_swaps(double groups, double places) {
  return std::ceil((groups * (groups - 1) / 2 - places * (places - 1) / 2) / (places - 1));
}

TEST(RoundOrder, EveryTwoPartsMeet) {
  for (const auto& [parts, resident] : kSizes) {
    const RoundOrder order(parts, resident, 7, 3);
    std::set<std::pair<std::uint32_t, std::uint32_t>> met;
    for (std::size_t round = 0; round < order.rounds(); ++round)
      for (std::uint32_t a = 0; a < resident; ++a)
        for (std::uint32_t b = 0; b < resident; ++b)
          met.emplace(order.part(round, a).value(), order.part(round, b).value());
    EXPECT_EQ(met.size(), std::size_t{parts} * parts) << parts << ", " << resident;
  }
}

TEST(RoundOrder, OneGroupIsSwappedAndAllOthersStay) {
  for (const auto& [parts, resident] : kSizes) {
    const RoundOrder order(parts, resident, 7, 3);
    for (std::size_t round = 0; round + 1 < order.rounds(); ++round) {
      std::uint32_t changed = 0;
      for (std::uint32_t slot = 0; slot < resident; ++slot)
        changed += order.part(round, slot) == order.part(round + 1, slot) ? 0 : 1;
      EXPECT_EQ(changed, RoundOrder::group_size(parts, resident)) << parts << ", " << resident << ", round " << round;
    }
  }
}

TEST(RoundOrder, SwapsAreFew) {
  for (const auto& [parts, resident] : kSizes) {
    const std::uint32_t size = RoundOrder::group_size(parts, resident);
    const double least = least_swaps(parts / size, resident / size);
    EXPECT_EQ(RoundOrder::swaps(parts, resident) + 1, RoundOrder(parts, resident, 1, 0).rounds());
    const double bound = parts == 4 * resident ? 1.15 : 1.25;
    EXPECT_LE(static_cast<double>(RoundOrder::swaps(parts, resident)), bound * least) << parts << ", " << resident;
  }
  EXPECT_EQ(RoundOrder::swaps(16, 4), 42U);  // as published for BETA
  EXPECT_EQ(RoundOrder::group_size(64, 16), 4U);
  EXPECT_EQ(RoundOrder::group_size(30, 12), 3U);
  EXPECT_EQ(RoundOrder::group_size(17, 16), 1U);
}

TEST(RoundOrder, EpochsAndSeedsHaveOrdersOfTheirOwn) {
  const auto parts_of = [](std::uint64_t seed, std::uint32_t epoch) {
    const RoundOrder order(64, 16, seed, epoch);
    std::vector<PartId> parts;
    for (std::uint32_t slot = 0; slot < 16; ++slot) parts.push_back(order.part(0, slot));
    return parts;
  };
  EXPECT_EQ(parts_of(1, 0), parts_of(1, 0));
  EXPECT_NE(parts_of(1, 0), parts_of(1, 1));
  EXPECT_NE(parts_of(1, 0), parts_of(2, 0));
}

// Most queries lie within a part, as METIS leaves them.
std::vector<std::uint64_t> uneven_queries(std::uint32_t parts) {
  std::vector<std::uint64_t> queries;
  for (std::uint32_t p = 0; p < parts; ++p)
    for (std::uint32_t q = 0; q < parts; ++q) queries.push_back(p == q ? 20000 + 100 * p : 100 + (p * 7 + q * 3) % 50);
  return queries;
}

TEST(QueryRounds, RoundsHaveBothPartsAndAboutTheSameNumberOfQueries) {
  for (const auto& [parts, resident] : kSizes) {
    const RoundOrder order(parts, resident, 5, 1);
    const std::vector<std::uint64_t> queries = uneven_queries(parts);
    const QueryRounds rounds(order, queries, parts);
    std::vector<std::uint64_t> loads(order.rounds(), 0);
    for (std::uint32_t p = 0; p < parts; ++p)
      for (std::uint32_t q = 0; q < parts; ++q)
        for (std::uint64_t i = 0; i < queries[std::size_t{p} * parts + q]; ++i) {
          const auto random = static_cast<std::uint32_t>(mix((std::uint64_t{p} * parts + q) * 1000003 + i));
          const std::uint32_t round = rounds.round(order.group_of(PartId(p)), order.group_of(PartId(q)), random);
          ++loads[round];
          if (i < 3) {
            const auto groups = order.groups(round);
            EXPECT_TRUE(std::count(groups.begin(), groups.end(), order.group_of(PartId(p))) == 1 &&
                        std::count(groups.begin(), groups.end(), order.group_of(PartId(q))) == 1);
          }
        }
    const double mean = std::accumulate(loads.begin(), loads.end(), 0.0) / static_cast<double>(loads.size());
    const double largest = static_cast<double>(*std::max_element(loads.begin(), loads.end()));
    EXPECT_LT(largest / mean, 1.6) << parts << ", " << resident;
  }
}

TEST(QueryRounds, PartsWithoutQueriesAreFine) {
  const RoundOrder order(8, 4, 5, 1);
  const QueryRounds rounds(order, std::vector<std::uint64_t>(64, 0), 8);
  for (const std::uint32_t random : {0U, 0xFFFFFFFFU})
    EXPECT_LT(rounds.round(0, order.group_count() - 1, random), order.rounds());
}

}  // namespace
}  // namespace tessera::train
