// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera::evaluate {
namespace {

RankedQuery query(std::uint32_t relation, std::uint32_t n_greater, std::uint32_t n_equal, bool unseen = false) {
  return {EntityId(1), EntityId(2), RelationId(relation), n_greater, n_equal, n_greater + n_equal + 5, 3, unseen};
}

RankedQuery among(std::uint32_t rank, std::uint32_t candidates) {
  return {EntityId(1), EntityId(2), RelationId(0), rank - 1, 0, candidates, 3, false};
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
  EXPECT_DOUBLE_EQ(realistic.hits_at(1), 0.25);
  EXPECT_DOUBLE_EQ(realistic.hits_at(3), 0.5);
  EXPECT_DOUBLE_EQ(realistic.hits_at(10), 0.75);
  EXPECT_DOUBLE_EQ(metrics.mrr(), realistic.mrr);

  const RankMetrics& pessimistic = metrics.all[TieRule::kPessimistic];
  EXPECT_DOUBLE_EQ(pessimistic.mean_rank, (1 + 5 + 12 + 2) / 4.0);
  EXPECT_DOUBLE_EQ(pessimistic.hits_at(3), 0.5);

  const RankMetrics& optimistic = metrics.all[TieRule::kOptimistic];
  EXPECT_DOUBLE_EQ(optimistic.mean_rank, (1 + 2 + 10 + 1) / 4.0);
  EXPECT_DOUBLE_EQ(optimistic.hits_at(1), 0.5);
  EXPECT_DOUBLE_EQ(optimistic.hits_at(10), 1);

  EXPECT_DOUBLE_EQ(metrics.tail[TieRule::kRealistic].mrr, (1 + 1 / 3.5) / 2);
  EXPECT_DOUBLE_EQ(metrics.head[TieRule::kRealistic].mrr, (1 / 11.0 + 1 / 1.5) / 2);
}

TEST(MetricsTest, NoQueriesGiveZeros) {
  const Metrics metrics = MetricsSum(3).mean();
  EXPECT_EQ(metrics.all.queries, 0U);
  EXPECT_EQ(metrics.mrr(), 0);
}

TEST(MetricsTest, HandValuesOfTheOtherFigures) {
  MetricsSum sum(1);
  sum.add(among(1, 4));
  sum.add(among(2, 10));
  sum.add(among(40, 100));
  sum.add(among(80, 200));
  const RankMetrics means = sum.mean().all[TieRule::kRealistic];
  EXPECT_DOUBLE_EQ(means.geometric_mean_rank, std::pow(1.0 * 2 * 40 * 80, 0.25));
  EXPECT_DOUBLE_EQ(means.hits_at(50), 0.75);
  EXPECT_DOUBLE_EQ(means.hits_at(100), 1);
  EXPECT_DOUBLE_EQ(sum.mean().mean_candidates, 78.5);
  const double mrr = (1 + 0.5 + 1 / 40.0 + 1 / 80.0) / 4;
  double squares = 0;
  for (const double x : {1.0, 0.5, 1 / 40.0, 1 / 80.0}) squares += (x - mrr) * (x - mrr);
  EXPECT_NEAR(means.mrr_standard_error, std::sqrt(squares / 3 / 4), 1e-15);
  // Each rank against the mean of ranks 1 .. n: 2.5, 5.5, 50.5, 100.5.
  EXPECT_DOUBLE_EQ(means.adjusted_mean_rank_index, 1 - (123 - 4) / (159.0 - 4));
  double expected = 0;
  for (const int n : {4, 10, 100, 200})
    for (int k = 1; k <= n; ++k) expected += 1.0 / k / n / 4;
  EXPECT_NEAR(means.adjusted_mrr, (mrr - expected) / (1 - expected), 1e-14);
}

TEST(MetricsTest, HandValuesOfTheZFigures) {
  MetricsSum sum(1);
  sum.add(among(1, 2));  // ranks 1, 2: mean 1.5, variance 1/4; 1 / rank: mean 3/4, variance 1/16
  sum.add(among(1, 3));  // ranks 1, 2, 3: mean 2, variance 2/3; 1 / rank: mean 11/18, variance 49/108 - 121/324
  const RankMetrics means = sum.mean().all[TieRule::kRealistic];
  EXPECT_DOUBLE_EQ(means.z_mean_rank, (1.5 + 2 - 2) / std::sqrt(1 / 4.0 + 2 / 3.0));
  EXPECT_DOUBLE_EQ(means.z_mrr, (2 - 3 / 4.0 - 11 / 18.0) / std::sqrt(1 / 16.0 + 49 / 108.0 - 121 / 324.0));
}

TEST(MetricsTest, ReciprocalRankVarianceEqualsItsSum) {
  for (const std::uint64_t n : {1ULL, 2ULL, 128ULL, 129ULL, 130ULL, 1000ULL, 100'000ULL}) {
    long double mean = 0;
    long double squares = 0;
    for (std::uint64_t k = n; k > 0; --k) {
      const long double inverse = 1.0L / static_cast<long double>(k);
      mean += inverse / static_cast<long double>(n);
      squares += inverse * inverse / static_cast<long double>(n);
    }
    const auto expected = static_cast<double>(squares - mean * mean);
    EXPECT_NEAR(reciprocal_rank_variance(n), expected, 1e-14 + 1e-12 * expected) << n;
  }
}

TEST(MetricsTest, AdjustedFiguresOfGuessingAndOfPerfection) {
  MetricsSum guess(1);
  MetricsSum perfect(1);
  for (std::uint32_t rank = 1; rank <= 37; ++rank) {
    guess.add(among(rank, 37));
    perfect.add(among(1, 37));
  }
  EXPECT_NEAR(guess.mean().all[TieRule::kRealistic].adjusted_mrr, 0, 1e-14);
  EXPECT_NEAR(guess.mean().all[TieRule::kRealistic].adjusted_mean_rank_index, 0, 1e-14);
  EXPECT_NEAR(guess.mean().all[TieRule::kRealistic].z_mrr, 0, 1e-12);
  EXPECT_NEAR(guess.mean().all[TieRule::kRealistic].z_mean_rank, 0, 1e-12);
  EXPECT_EQ(perfect.mean().all[TieRule::kRealistic].adjusted_mrr, 1);
  EXPECT_EQ(perfect.mean().all[TieRule::kRealistic].adjusted_mean_rank_index, 1);

  MetricsSum alone(1);
  alone.add(among(1, 1));  // nothing to compare with
  EXPECT_EQ(alone.mean().mrr(), 1);
  EXPECT_EQ(alone.mean().all[TieRule::kRealistic].adjusted_mrr, 0);
  EXPECT_EQ(alone.mean().all[TieRule::kRealistic].z_mrr, 0);
  EXPECT_EQ(alone.mean().all[TieRule::kRealistic].z_mean_rank, 0);
  EXPECT_EQ(alone.mean().all[TieRule::kRealistic].adjusted_mean_rank_index, 0);
  EXPECT_EQ(alone.mean().all[TieRule::kRealistic].mrr_standard_error, 0);
}

TEST(MetricsTest, ExpectedReciprocalRankEqualsItsSum) {
  for (const std::uint64_t n : {1ULL, 2ULL, 128ULL, 129ULL, 130ULL, 1000ULL, 100'000ULL}) {
    long double sum = 0;
    for (std::uint64_t k = n; k > 0; --k) sum += 1.0L / static_cast<long double>(k);
    EXPECT_NEAR(expected_reciprocal_rank(n) * static_cast<double>(n), static_cast<double>(sum), 4e-15) << n;
  }
}

TEST(MetricsTest, LargeCountsDoNotWrap) {
  MetricsSum sum(1);
  sum.add({EntityId(1), EntityId(2), RelationId(0), 4'000'000'000U, 4'000'000'000U, 4'294'967'295U, 3, false});
  EXPECT_DOUBLE_EQ(sum.mean().all[TieRule::kPessimistic].mean_rank, 8'000'000'001.0);
}

}  // namespace
}  // namespace tessera::evaluate
