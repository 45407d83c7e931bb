// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/metrics.hpp"

#include <gtest/gtest.h>

namespace tessera::evaluate {
namespace {

RankedQuery query(std::uint32_t relation, std::uint32_t n_greater, std::uint32_t n_equal, bool unseen = false) {
  return {EntityId(1), EntityId(2), RelationId(relation), n_greater, n_equal, unseen};
}

TEST(MetricsTest, HandValuesOfEveryTieRule) {
  MetricsSum sum(3);
  sum.add(query(0, 0, 0));        // ranks 1, 1, 1
  sum.add(query(2, 1, 3));        // ranks 2, 3.5, 5
  sum.add(query(5, 9, 2, true));  // ranks 10, 11, 12
  sum.add(query(3, 0, 1));        // ranks 1, 1.5, 2
  const Metrics metrics = sum.mean();

  EXPECT_EQ(metrics.all.queries, 4U);
  EXPECT_EQ(metrics.tail.queries, 2U);
  EXPECT_EQ(metrics.head.queries, 2U);
  EXPECT_EQ(metrics.all.unseen, 1U);
  EXPECT_EQ(metrics.tail.unseen, 0U);
  EXPECT_EQ(metrics.triples(), 2U);

  const RankMetrics& realistic = metrics.all[TieRule::kRealistic];
  EXPECT_DOUBLE_EQ(realistic.mrr, (1 + 1 / 3.5 + 1 / 11.0 + 1 / 1.5) / 4);
  EXPECT_DOUBLE_EQ(realistic.mean_rank, (1 + 3.5 + 11 + 1.5) / 4);
  EXPECT_DOUBLE_EQ(realistic.hits_at_1, 0.25);
  EXPECT_DOUBLE_EQ(realistic.hits_at_3, 0.5);
  EXPECT_DOUBLE_EQ(realistic.hits_at_10, 0.75);
  EXPECT_DOUBLE_EQ(metrics.mrr(), realistic.mrr);

  const RankMetrics& pessimistic = metrics.all[TieRule::kPessimistic];
  EXPECT_DOUBLE_EQ(pessimistic.mean_rank, (1 + 5 + 12 + 2) / 4.0);
  EXPECT_DOUBLE_EQ(pessimistic.hits_at_3, 0.5);

  const RankMetrics& optimistic = metrics.all[TieRule::kOptimistic];
  EXPECT_DOUBLE_EQ(optimistic.mean_rank, (1 + 2 + 10 + 1) / 4.0);
  EXPECT_DOUBLE_EQ(optimistic.hits_at_1, 0.5);
  EXPECT_DOUBLE_EQ(optimistic.hits_at_10, 1);

  EXPECT_DOUBLE_EQ(metrics.tail[TieRule::kRealistic].mrr, (1 + 1 / 3.5) / 2);
  EXPECT_DOUBLE_EQ(metrics.head[TieRule::kRealistic].mrr, (1 / 11.0 + 1 / 1.5) / 2);
}

TEST(MetricsTest, NoQueriesGiveZeros) {
  const Metrics metrics = MetricsSum(3).mean();
  EXPECT_EQ(metrics.all.queries, 0U);
  EXPECT_EQ(metrics.mrr(), 0);
}

TEST(MetricsTest, LargeCountsDoNotWrap) {
  MetricsSum sum(1);
  sum.add(query(0, 4'000'000'000U, 4'000'000'000U));
  EXPECT_DOUBLE_EQ(sum.mean().all[TieRule::kPessimistic].mean_rank, 8'000'000'001.0);
}

}  // namespace
}  // namespace tessera::evaluate
