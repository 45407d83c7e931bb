// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

namespace tessera::kernels::testing {
namespace {

using Counts = std::vector<std::uint32_t>;

class KernelsRanks : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsRanks);

struct Shape {
  std::size_t queries;
  std::size_t rows;
  std::size_t dim;
};

// Around the tiles that the SIMD kernel cuts: 256 queries, 64 rows.
const Shape kShapes[] = {{1, 1, 1},   {1, 63, 100}, {2, 64, 128},  {3, 65, 33},   {15, 130, 17},
                         {255, 8, 4}, {256, 70, 5}, {257, 200, 6}, {600, 129, 3}, {4, 1000, 40}};

TEST_P(KernelsRanks, CountWhatTheScoresSay) {
  for (const Shape& shape : kShapes)
    for (const Similarity similarity : kSimilarities) {
      const Grid queries = random_grid(shape.queries, shape.dim, 1, 1);
      const Grid rows = random_grid(shape.rows, shape.dim, 2, 3);
      Grid scores(shape.queries, shape.rows);
      backend().scores.all_pairs(similarity, queries.view(), rows.view(), scores.view());
      std::vector<float> targets(shape.queries);
      Counts want_greater(shape.queries), want_equal(shape.queries);
      for (std::size_t i = 0; i < shape.queries; ++i) {
        targets[i] = scores.at(i, i % shape.rows);  // a true candidate: at least one tie
        for (std::size_t j = 0; j < shape.rows; ++j) {
          want_greater[i] += scores.at(i, j) > targets[i] ? 1 : 0;
          want_equal[i] += scores.at(i, j) == targets[i] ? 1 : 0;
        }
        ASSERT_GE(want_equal[i], 1U);
      }
      Counts greater(shape.queries), equal(shape.queries);
      backend().ranks.count(similarity, {queries.view(), rows.view(), targets}, {greater, equal});
      EXPECT_EQ(greater, want_greater);
      EXPECT_EQ(equal, want_equal);
    }
}

// A target scored on its own (pairs) ties with itself in any tile: without that, ranks would depend on tiles.
TEST_P(KernelsRanks, TheTargetTiesWithItself) {
  for (const Similarity similarity : kSimilarities)
    for (const std::size_t dim : {100, 128, 200}) {
      const Grid queries = random_grid(90, dim, 3);
      const Grid rows = random_grid(90, dim, 4);
      std::vector<float> targets(90);
      backend().scores.pairs(similarity, queries.view(), rows.view(), targets);
      Counts greater(90), equal(90);
      backend().ranks.count(similarity, {queries.view(), rows.view(), targets}, {greater, equal});
      for (const std::uint32_t count : equal) EXPECT_GE(count, 1U);
    }
}

TEST_P(KernelsRanks, AddToWhatIsThere) {
  const Grid queries = random_grid(5, 16, 5);
  const Grid rows = random_grid(150, 16, 6);
  const std::vector<float> targets(5, 0.0F);
  Counts whole_greater(5), whole_equal(5), greater(5), equal(5);
  backend().ranks.count(Similarity::kDot, {queries.view(), rows.view(), targets}, {whole_greater, whole_equal});
  for (const std::size_t first : {0, 37, 110}) {
    const std::size_t next = first == 0 ? 37 : first == 37 ? 110 : 150;
    backend().ranks.count(Similarity::kDot, {queries.view(), rows.view().block(first, next - first), targets},
                          {greater, equal});
  }
  EXPECT_EQ(greater, whole_greater);
  EXPECT_EQ(equal, whole_equal);
}

TEST_P(KernelsRanks, TiesCountAsEqual) {
  const Grid queries(3, 20, 0, 1.0F);
  Grid rows(100, 20, 0, 2.0F);
  for (std::size_t c = 0; c < 20; ++c) rows.at(50, c) = 3.0F;
  Counts greater(3), equal(3);
  backend().ranks.count(Similarity::kDot, {queries.view(), rows.view(), std::vector<float>(3, 40.0F)},
                        {greater, equal});
  EXPECT_EQ(greater, Counts(3, 1));
  EXPECT_EQ(equal, Counts(3, 99));
}

TEST_P(KernelsRanks, ZeroEqualsMinusZero) {
  const Grid queries(1, 4);
  Grid rows(20, 4);
  Counts greater(1), equal(1);
  backend().ranks.count(Similarity::kNegativeL1, {queries.view(), rows.view(), std::vector<float>{0.0F}},
                        {greater, equal});
  EXPECT_EQ(equal[0], 20U);
}

TEST_P(KernelsRanks, NanCountsNowhere) {
  const Grid queries(2, 8, 0, 1.0F);
  Grid rows(70, 8, 0, 1.0F);
  rows.at(3, 5) = kNan;
  rows.at(69, 0) = kNan;
  Counts greater(2), equal(2);
  backend().ranks.count(Similarity::kDot, {queries.view(), rows.view(), std::vector<float>{7.0F, kNan}},
                        {greater, equal});
  EXPECT_EQ(greater, (Counts{68, 0}));
  EXPECT_EQ(equal, (Counts{0, 0}));
}

TEST_P(KernelsRanks, InfinitiesAreOrdered) {
  const Grid queries(2, 1, 0, 1.0F);
  Grid rows(40, 1);
  rows.at(7, 0) = kInfinity;
  rows.at(8, 0) = -kInfinity;
  Counts greater(2), equal(2);
  backend().ranks.count(Similarity::kDot, {queries.view(), rows.view(), std::vector<float>{kInfinity, -kInfinity}},
                        {greater, equal});
  EXPECT_EQ(greater, (Counts{0, 39}));
  EXPECT_EQ(equal, (Counts{1, 1}));
}

TEST_P(KernelsRanks, NothingToCountIsNoWork) {
  const Grid none(0, 8);
  const Grid some = random_grid(3, 8, 7);
  Counts greater(3, 4), equal(3, 5);
  backend().ranks.count(Similarity::kDot, {some.view(), none.view(), std::vector<float>(3)}, {greater, equal});
  backend().ranks.count(Similarity::kDot, {none.view(), some.view(), {}}, {{}, {}});
  EXPECT_EQ(greater, Counts(3, 4));
  EXPECT_EQ(equal, Counts(3, 5));
}

TEST_P(KernelsRanks, WrongShapesAreRefused) {
  const Grid queries(2, 8);
  const Grid rows(3, 8);
  Counts two(2), three(3);
  EXPECT_ANY_THROW(
      backend().ranks.count(Similarity::kDot, {queries.view(), rows.view(), std::vector<float>(3)}, {two, two}));
  EXPECT_ANY_THROW(
      backend().ranks.count(Similarity::kDot, {queries.view(), rows.view(), std::vector<float>(2)}, {three, two}));
}

}  // namespace
}  // namespace tessera::kernels::testing
