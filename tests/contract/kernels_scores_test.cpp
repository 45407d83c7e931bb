// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

namespace tessera::kernels::testing {
namespace {

struct Shape {
  std::size_t queries;
  std::size_t rows;
  std::size_t dim;
};

// Around every size at which the SIMD kernels change their way: heights of pieces, registers, blocks of steps, panels.
const Shape kShapes[] = {{1, 1, 1},    {1, 1, 128},   {1, 100, 100}, {2, 15, 3},   {3, 16, 4},    {5, 17, 5},
                         {13, 31, 15}, {14, 32, 16},  {15, 33, 17},  {28, 47, 31}, {29, 48, 33},  {43, 49, 64},
                         {7, 64, 100}, {16, 65, 127}, {9, 80, 128},  {6, 95, 129}, {12, 96, 130}, {4, 130, 256},
                         {33, 7, 260}, {520, 3, 8},   {1030, 40, 5}, {2, 3, 1000}};

/// The score in double, and how far a float chain may be away from it.
struct Expected {
  double score;
  double tolerance;
};

Expected expected(Similarity similarity, const float* query, const float* row, std::size_t dim) {
  double sum = 0;
  double magnitude = 0;
  for (std::size_t k = 0; k < dim; ++k) {
    const double product = static_cast<double>(query[k]) * row[k];
    const double difference = static_cast<double>(query[k]) - row[k];
    const double term = similarity == Similarity::kDot          ? product
                        : similarity == Similarity::kNegativeL1 ? std::abs(difference)
                                                                : difference * difference;
    sum += term;
    magnitude += std::abs(term);
  }
  const double tolerance = static_cast<double>(dim + 3) * kEpsilon / 2 * magnitude;
  if (similarity == Similarity::kDot) return {sum, tolerance};
  if (similarity == Similarity::kNegativeL1) return {-sum, tolerance};
  return {-std::sqrt(sum), tolerance / (2 * std::sqrt(sum)) + kEpsilon * std::sqrt(sum)};
}

class KernelsScores : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsScores);

TEST_P(KernelsScores, AgreeWithDoublePrecision) {
  for (const Shape& shape : kShapes)
    for (const Similarity similarity : kSimilarities) {
      const Grid queries = random_grid(shape.queries, shape.dim, 1, 3);
      const Grid rows = random_grid(shape.rows, shape.dim, 2, 5);
      Grid out(shape.queries, shape.rows, 7);
      backend().scores.all_pairs(similarity, queries.view(), rows.view(), out.view());
      for (std::size_t i = 0; i < shape.queries; ++i)
        for (std::size_t j = 0; j < shape.rows; ++j) {
          const Expected want = expected(similarity, queries.view().row(i), rows.view().row(j), shape.dim);
          ASSERT_NEAR(out.at(i, j), want.score, want.tolerance)
              << i << ", " << j << " of " << shape.queries << " x " << shape.rows << " x " << shape.dim;
        }
      EXPECT_TRUE(out.gaps_intact());
    }
}

// The definition itself: one chain of fused multiply-adds in index order gives every bit of a dot product.
TEST_P(KernelsScores, DotIsOneChainOfFusedMultiplyAdds) {
  for (const Shape& shape : kShapes) {
    const Grid queries = random_grid(shape.queries, shape.dim, 3);
    const Grid rows = random_grid(shape.rows, shape.dim, 4);
    Grid out(shape.queries, shape.rows);
    Grid want(shape.queries, shape.rows);
    backend().scores.all_pairs(Similarity::kDot, queries.view(), rows.view(), out.view());
    for (std::size_t i = 0; i < shape.queries; ++i)
      for (std::size_t j = 0; j < shape.rows; ++j)
        for (std::size_t k = 0; k < shape.dim; ++k)
          want.at(i, j) = std::fma(queries.at(i, k), rows.at(j, k), want.at(i, j));
    EXPECT_TRUE(same_bits(out, want)) << shape.queries << " x " << shape.rows << " x " << shape.dim;
  }
}

TEST_P(KernelsScores, HaveTheBitsOfTheReference) {
  for (const Shape& shape : kShapes)
    for (const Similarity similarity : kSimilarities) {
      const Grid queries = random_grid(shape.queries, shape.dim, 5, 1);
      const Grid rows = random_grid(shape.rows, shape.dim, 6, 2);
      Grid out(shape.queries, shape.rows);
      Grid want(shape.queries, shape.rows);
      backend().scores.all_pairs(similarity, queries.view(), rows.view(), out.view());
      reference_backend().scores.all_pairs(similarity, queries.view(), rows.view(), want.view());
      EXPECT_TRUE(same_bits(out, want)) << shape.queries << " x " << shape.rows << " x " << shape.dim;
    }
}

// The same two vectors give the same bits as a pair, alone, and anywhere in a tile of any shape.
TEST_P(KernelsScores, DoNotDependOnPosition) {
  for (const std::size_t dim : {5, 100, 128, 300})
    for (const Similarity similarity : kSimilarities) {
      const Grid queries = random_grid(67, dim, 7, 1);
      const Grid rows = random_grid(67, dim, 8, 1);
      std::vector<float> pairs(67);
      backend().scores.pairs(similarity, queries.view(), rows.view(), pairs);
      for (const std::size_t first : {0, 1, 13, 30})
        for (const std::size_t count : {1, 2, 14, 16, 31, 37}) {
          Grid tile(count, count, 2);
          backend().scores.all_pairs(similarity, queries.view().block(first, count), rows.view().block(first, count),
                                     tile.view());
          for (std::size_t i = 0; i < count; ++i)
            ASSERT_EQ(bits(tile.at(i, i)), bits(pairs[first + i])) << first << " + " << i << " of " << count;
        }
    }
}

TEST_P(KernelsScores, PairsOfAnyNumberAgree) {
  for (const std::size_t count : {0, 1, 3, 16, 31, 63, 64, 65, 130}) {
    const Grid queries = random_grid(count, 70, 9);
    const Grid rows = random_grid(count, 70, 10, 4);
    for (const Similarity similarity : kSimilarities) {
      std::vector<float> out(count);
      std::vector<float> want(count);
      backend().scores.pairs(similarity, queries.view(), rows.view(), out);
      reference_backend().scores.pairs(similarity, queries.view(), rows.view(), want);
      EXPECT_TRUE(same_bits(out, want)) << count;
    }
  }
}

TEST_P(KernelsScores, NothingToScoreIsNoWork) {
  const Grid none(0, 8);
  const Grid some = random_grid(3, 8, 11);
  Grid no_columns(3, 0);
  Grid no_rows(0, 3);
  backend().scores.all_pairs(Similarity::kDot, some.view(), none.view(), no_columns.view());
  backend().scores.all_pairs(Similarity::kDot, none.view(), some.view(), no_rows.view());
}

TEST_P(KernelsScores, DimZeroGivesZero) {
  const Grid queries(3, 0);
  const Grid rows(20, 0);
  Grid out(3, 20, 0, 5.0F);
  for (const Similarity similarity : kSimilarities) {
    backend().scores.all_pairs(similarity, queries.view(), rows.view(), out.view());
    for (std::size_t j = 0; j < 20; ++j) EXPECT_EQ(out.at(2, j), 0.0F);
  }
}

TEST_P(KernelsScores, EqualVectorsHaveDistanceZero) {
  const Grid rows = random_grid(37, 100, 12);
  for (const Similarity similarity : {Similarity::kNegativeL1, Similarity::kNegativeL2}) {
    Grid out(37, 37);
    backend().scores.all_pairs(similarity, rows.view(), rows.view(), out.view());
    for (std::size_t i = 0; i < 37; ++i) EXPECT_EQ(out.at(i, i), 0.0F);
  }
}

// One bad row may not spoil the scores of its neighbours in the same register.
TEST_P(KernelsScores, NanAndInfinityStayInTheirRow) {
  const Grid queries = random_grid(16, 33, 13);
  Grid rows = random_grid(40, 33, 14);
  Grid clean(16, 40);
  backend().scores.all_pairs(Similarity::kDot, queries.view(), rows.view(), clean.view());
  rows.at(11, 32) = kNan;
  rows.at(12, 0) = kInfinity;
  Grid out(16, 40);
  backend().scores.all_pairs(Similarity::kDot, queries.view(), rows.view(), out.view());
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 40; ++j) {
      if (j == 11)
        EXPECT_TRUE(std::isnan(out.at(i, j)));
      else if (j == 12)
        EXPECT_EQ(out.at(i, j), std::copysign(kInfinity, queries.at(i, 0)));
      else
        EXPECT_EQ(bits(out.at(i, j)), bits(clean.at(i, j)));
    }
}

TEST_P(KernelsScores, WrongShapesAreRefused) {
  Grid out(2, 3);
  const Grid queries(2, 4);
  const Grid rows(3, 5);
  std::vector<float> two(2);
  EXPECT_ANY_THROW(backend().scores.all_pairs(Similarity::kDot, queries.view(), rows.view(), out.view()));
  EXPECT_ANY_THROW(backend().scores.all_pairs(Similarity::kDot, queries.view(), queries.view(), out.view()));
  EXPECT_ANY_THROW(backend().scores.pairs(Similarity::kDot, queries.view(), rows.view(), two));
}

}  // namespace
}  // namespace tessera::kernels::testing
