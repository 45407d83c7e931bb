// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Counts from approximate scores are those of exact ones, whatever the approximation does within its bound.
#include "kernels/screened_ranks.hpp"

#include "kernels/cuda/device_kernels.hpp"
#include "kernels/cuda/host_grid.hpp"
#include "support/rounded_scores.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace tessera::kernels {
namespace {

using test::RoundedScores;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Vectors {
  std::size_t count;
  std::size_t dim;
  std::vector<float> values;
  Vectors(std::size_t count_, std::size_t dim_, const std::function<float()>& next) : count(count_), dim(dim_) {
    for (std::size_t k = 0; k < count * dim; ++k) values.push_back(next());
  }
  [[nodiscard]] ConstMatrix view() const { return {values.data(), count, dim, dim}; }
  float* row(std::size_t i) { return values.data() + i * dim; }
};

struct Counted {
  std::vector<std::uint32_t> greater;
  std::vector<std::uint32_t> equal;
  ScreeningCost cost{};
  [[nodiscard]] bool same_counts(const Counted& other) const {
    return greater == other.greater && equal == other.equal;
  }
};

Counted exactly(const Vectors& queries, const Vectors& rows, const std::vector<float>& targets) {
  Counted counted{std::vector<std::uint32_t>(queries.count, 7), std::vector<std::uint32_t>(queries.count, 9)};
  reference_backend().ranks.count(Similarity::kDot, {queries.view(), rows.view(), targets},
                                  {counted.greater, counted.equal});
  return counted;
}

std::vector<float> norms_of(const Vectors& vectors) {
  std::vector<float> norms(vectors.count);
  host_grid_screened_ranks(GridOrder::kForward).norms(vectors.view(), norms);
  return norms;
}

/// From given approximate scores; both orders of the grid count alike.
Counted screened(const Vectors& queries, const Vectors& rows, const std::vector<float>& targets,
                 const std::vector<float>& scores, float factor, std::size_t capacity) {
  const std::vector<float> query_norms = norms_of(queries);
  const std::vector<float> row_norms = norms_of(rows);
  std::array<Counted, 2> results;
  for (const GridOrder order : {GridOrder::kForward, GridOrder::kBackward}) {
    Counted counted{std::vector<std::uint32_t>(queries.count, 7), std::vector<std::uint32_t>(queries.count, 9)};
    std::vector<std::uint32_t> pair_queries(capacity, 99), pair_rows(capacity, 99), decided(queries.count, 99);
    std::array<std::uint32_t, 1> undecided{99};
    std::array<ScreeningCost, 1> cost{};
    host_grid_screened_ranks(order).count(
        {queries.view(), rows.view(), targets},
        {{scores.data(), queries.count, rows.count, rows.count}, query_norms, row_norms, factor},
        {pair_queries, pair_rows, decided, undecided}, {counted.greater, counted.equal}, cost);
    counted.cost = cost[0];
    results[order == GridOrder::kForward ? 0 : 1] = counted;
  }
  EXPECT_TRUE(results[0].same_counts(results[1]));
  EXPECT_EQ(results[0].cost.rescored, results[1].cost.rescored);
  return results[0];
}

Counted rounded(const Vectors& queries, const Vectors& rows, const std::vector<float>& targets, std::size_t capacity) {
  std::vector<float> scores(queries.count * rows.count);
  RoundedScores().all_pairs(Similarity::kDot, queries.view(), rows.view(),
                            {scores.data(), queries.count, rows.count, rows.count});
  return screened(queries, rows, targets, scores, score_error_factor(RoundedScores::kRoundoff, rows.dim), capacity);
}

/// The chain's scores of row i mod n, so that there is a tie.
std::vector<float> targets_of(const Vectors& queries, const Vectors& rows) {
  std::vector<float> targets(queries.count);
  for (std::size_t i = 0; i < queries.count; ++i)
    reference_backend().scores.pairs(Similarity::kDot, queries.view().block(i, 1),
                                     rows.view().block(i * 7 % rows.count, 1), std::span(targets).subspan(i, 1));
  return targets;
}

std::function<float()> normals(std::uint32_t seed, float scale = 1) {
  return [engine = std::mt19937(seed), normal = std::normal_distribution<float>(), scale]() mutable {
    return scale * normal(engine);
  };
}

TEST(ScreenedRanks, CountWhatTheChainCounts) {
  for (const std::size_t dim : {1, 7, 64, 300}) {
    const Vectors queries(13, dim, normals(1));
    const Vectors rows(517, dim, normals(2));
    const std::vector<float> targets = targets_of(queries, rows);
    const Counted counted = rounded(queries, rows, targets, queries.count * rows.count);
    EXPECT_TRUE(counted.same_counts(exactly(queries, rows, targets))) << dim;
    EXPECT_GE(counted.cost.rescored, queries.count);                   // the targets themselves
    EXPECT_LT(counted.cost.rescored, queries.count * rows.count / 4);  // most is decided
    EXPECT_EQ(counted.cost.recounted, 0U);
  }
}

TEST(ScreenedRanks, ATileWithTooManyUndecidedIsCountedAgain) {
  const Vectors queries(9, 32, normals(3));
  const Vectors rows(130, 32, normals(4));
  const std::vector<float> targets = targets_of(queries, rows);
  const Counted expected = exactly(queries, rows, targets);
  const std::uint64_t undecided = rounded(queries, rows, targets, queries.count * rows.count).cost.rescored;
  ASSERT_GT(undecided, 1U);
  for (const std::size_t capacity : {std::size_t{0}, std::size_t{1}, undecided - 1, undecided}) {
    const Counted counted = rounded(queries, rows, targets, capacity);
    EXPECT_TRUE(counted.same_counts(expected)) << capacity;
    EXPECT_EQ(counted.cost.rescored, capacity < undecided ? 0 : undecided);
    EXPECT_EQ(counted.cost.recounted, capacity < undecided ? queries.count * rows.count : 0);
  }
}

// Errors up to the bound, in the directions that would change the most.
TEST(ScreenedRanks, AnyErrorWithinTheBoundIsHarmless) {
  const Vectors queries(8, 24, normals(5));
  const Vectors rows(301, 24, normals(6));
  const std::vector<float> targets = targets_of(queries, rows);
  const Counted expected = exactly(queries, rows, targets);
  const std::vector<float> query_norms = norms_of(queries);
  const std::vector<float> row_norms = norms_of(rows);
  for (const float factor : {1e-4F, 1e-2F, 0.1F}) {
    std::vector<float> scores(queries.count * rows.count);
    reference_backend().scores.all_pairs(Similarity::kDot, queries.view(), rows.view(),
                                         {scores.data(), queries.count, rows.count, rows.count});
    std::size_t changed = 0;
    for (std::size_t i = 0; i < queries.count; ++i)
      for (std::size_t j = 0; j < rows.count; ++j) {
        float& score = scores[i * rows.count + j];
        const bool was_above = score > targets[i];
        const float error = 0.998F * factor * query_norms[i] * row_norms[j];
        score += was_above ? -error : error;  // toward the target, and past it where it can
        changed += was_above != (score > targets[i]) ? 1 : 0;
      }
    EXPECT_TRUE(screened(queries, rows, targets, scores, factor, scores.size()).same_counts(expected)) << factor;
    EXPECT_GT(changed, 0U) << factor;
  }
}

// The converse: a bound that is too small is noticed by these tests.
TEST(ScreenedRanks, ABoundThatIsTooSmallCountsWrong) {
  const Vectors queries(20, 64, normals(7));
  const Vectors rows(2000, 64, normals(8));
  const std::vector<float> targets = targets_of(queries, rows);
  std::vector<float> scores(queries.count * rows.count);
  RoundedScores().all_pairs(Similarity::kDot, queries.view(), rows.view(),
                            {scores.data(), queries.count, rows.count, rows.count});
  const Counted counted = screened(queries, rows, targets, scores, 1e-6F, scores.size());
  EXPECT_FALSE(counted.same_counts(exactly(queries, rows, targets)));
}

/// Vectors of one length and sign, whose roundings all go the same way: the worst that rounding can do.
TEST(ScoreError, IsBelowTheBoundForAllMagnitudes) {
  std::mt19937 engine(9);
  std::uniform_int_distribution<int> exponents(-140, 50);
  double largest_share = 0;
  for (const std::size_t dim : {1, 3, 17, 100, 999}) {
    const float factor = score_error_factor(RoundedScores::kRoundoff, dim);
    for (int repeat = 0; repeat < 400; ++repeat) {
      const float query_scale = std::ldexp(1.0F, exponents(engine));
      const float row_scale = std::ldexp(1.0F, exponents(engine));
      const bool same_way = repeat % 2 == 0;
      const auto near_half = [&](float scale) {
        return [&, scale] {
          // Just below the middle of two neighbours in bfloat16.
          return same_way ? scale * (1 + static_cast<float>(engine() % 2) * 0x1p-7F + 0x1.fep-9F)
                          : scale * std::normal_distribution<float>()(engine);
        };
      };
      const Vectors query(1, dim, near_half(query_scale));
      const Vectors row(1, dim, near_half(row_scale));
      float chain = 0;
      reference_backend().scores.pairs(Similarity::kDot, query.view(), row.view(), std::span(&chain, 1));
      const double error =
          std::abs(static_cast<double>(RoundedScores::dot(query.values.data(), row.values.data(), dim)) -
                   static_cast<double>(chain));
      const double bound =
          static_cast<double>(factor) * static_cast<double>(norms_of(query)[0]) * static_cast<double>(norms_of(row)[0]);
      ASSERT_LE(error, bound) << "dim " << dim << ", scales " << query_scale << " and " << row_scale;
      largest_share = std::max(largest_share, error / bound);
    }
  }
  EXPECT_GT(largest_share, 0.5);  // the bound is not idle: rounding comes near it
}

TEST(ScoreError, NormsAreNotBelowTheTrueOnes) {
  for (const float scale : {0x1p-149F, 1e-30F, 1e-3F, 1.0F, 1e18F, 1e36F})
    for (const std::size_t dim : {1, 15, 16, 17, 100, 1000}) {
      const Vectors vectors(19, dim, normals(10, scale));
      const std::vector<float> norms = norms_of(vectors);
      for (std::size_t i = 0; i < vectors.count; ++i) {
        long double squares = 0;
        for (std::size_t c = 0; c < dim; ++c) {
          const auto value = static_cast<long double>(vectors.view().row(i)[c]);
          squares += value * value;
        }
        const auto norm = static_cast<double>(std::sqrt(squares));
        ASSERT_GE(static_cast<double>(norms[i]), norm);
        ASSERT_LE(static_cast<double>(norms[i]), norm * 1.00001 + std::sqrt(static_cast<double>(dim)) * 0x1.01p-50);
      }
    }
}

TEST(ScoreError, OfEachKindOfProduct) {
  const float bfloat16 = score_error_factor(operand_roundoff(Products::kBfloat16), 100);
  EXPECT_GT(bfloat16, 0x1p-7F);
  EXPECT_LT(bfloat16, 0x1.1p-7F);
  EXPECT_LT(score_error_factor(operand_roundoff(Products::kTf32), 100), 0x1.1p-9F);
  EXPECT_LT(score_error_factor(operand_roundoff(Products::kFp32), 100), 0x1p-14F);
  EXPECT_ANY_THROW((void)score_error_factor(0x1p-8, std::size_t{1} << 22U));
}

/// Rows that are one and the same, or next to it, and what floats can be besides.
TEST(ScreenedRanks, NearTiesEqualRowsAndWhatIsNoNumber) {
  for (const float scale : {0x1p-149F, 0x1p-130F, 1e-30F, 1e-12F, 1.0F, 1e12F, 1e19F, 3e38F}) {
    Vectors queries(6, 40, normals(11, scale > 1e30F ? 1.0F : scale));
    Vectors rows(200, 40, normals(12, scale));
    std::copy_n(rows.row(7), 40, rows.row(8));  // equal
    for (std::size_t j = 9; j < 40; ++j) {      // apart by one last place of one element
      std::copy_n(rows.row(7), 40, rows.row(j));
      rows.row(j)[j] = std::nextafter(rows.row(j)[j], j % 2 == 0 ? kInfinity : -kInfinity);
    }
    std::fill_n(rows.row(50), 40, 0.0F);
    std::fill_n(rows.row(51), 40, -0.0F);
    rows.row(52)[3] = kNan;
    rows.row(53)[4] = kInfinity;
    rows.row(54)[5] = -kInfinity;
    rows.row(55)[6] = std::numeric_limits<float>::max();
    std::fill_n(rows.row(56), 40, std::numeric_limits<float>::max());
    std::fill_n(queries.row(5), 40, 0.0F);
    std::vector<float> targets(queries.count);
    for (const std::size_t target : {7U, 50U, 56U, 52U, 53U, 100U}) {
      for (std::size_t i = 0; i < queries.count; ++i)
        reference_backend().scores.pairs(Similarity::kDot, queries.view().block(i, 1), rows.view().block(target, 1),
                                         std::span(targets).subspan(i, 1));
      const Counted expected = exactly(queries, rows, targets);
      EXPECT_TRUE(rounded(queries, rows, targets, queries.count * rows.count).same_counts(expected))
          << "scale " << scale << ", target " << target;
      EXPECT_TRUE(rounded(queries, rows, targets, 3).same_counts(expected)) << "scale " << scale;
    }
    for (const float target : {kInfinity, -kInfinity, kNan, 0.0F, -0.0F}) {
      std::fill(targets.begin(), targets.end(), target);
      EXPECT_TRUE(
          rounded(queries, rows, targets, queries.count * rows.count).same_counts(exactly(queries, rows, targets)))
          << "scale " << scale << ", target " << target;
    }
  }
}

// A chain can overflow on its way where a sum in another order does not.
TEST(ScreenedRanks, AChainThatOverflowsOnItsWay) {
  Vectors queries(1, 4, [] { return 1.0F; });
  Vectors rows(2, 4, [] { return 0.0F; });
  const std::array<float, 4> values{3e38F, 3e38F, -3e38F, -3e38F};  // the chain is infinite, the sum is 0
  std::copy(values.begin(), values.end(), rows.row(0));
  const std::vector<float> targets{1.0F};
  const Counted expected = exactly(queries, rows, targets);
  EXPECT_EQ(expected.greater[0], 8U);  // 7 were there
  EXPECT_TRUE(screened(queries, rows, targets, {0.0F, 0.0F}, score_error_factor(0x1p-8, 4), 2).same_counts(expected));
}

TEST(ScreenedRanks, NothingToCountIsNoWork) {
  const Vectors none(0, 8, normals(1));
  const Vectors some(3, 8, normals(2));
  EXPECT_EQ(rounded(some, none, {0, 0, 0}, 4).greater, std::vector<std::uint32_t>(3, 7));
  EXPECT_TRUE(rounded(none, some, {}, 4).greater.empty());
}

TEST(ScreenedRanks, WrongShapesAreRefused) {
  const Vectors queries(2, 8, normals(1));
  const Vectors rows(3, 8, normals(2));
  EXPECT_ANY_THROW((void)screened(queries, rows, {0, 0, 0}, std::vector<float>(6), 0.01F, 4));
}

}  // namespace
}  // namespace tessera::kernels
