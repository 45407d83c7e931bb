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

const Shape kShapes[] = {{1, 1, 1},     {1, 100, 100}, {100, 1, 100},  {2, 15, 3},    {16, 16, 16},  {5, 17, 31},
                         {13, 31, 32},  {14, 32, 33},  {15, 33, 47},   {28, 47, 48},  {29, 128, 49}, {43, 129, 64},
                         {7, 256, 100}, {129, 7, 128}, {200, 260, 65}, {1, 2048, 16}, {530, 9, 20},  {9, 530, 20}};

class KernelsGradients : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsGradients);

/// Checks both products against double precision and against the definition, chains in index order.
void check(const Backend& backend, const Shape& shape) {
  const Grid weights = random_grid(shape.queries, shape.rows, 1, 3);
  const Grid queries = random_grid(shape.queries, shape.dim, 2, 1);
  const Grid rows = random_grid(shape.rows, shape.dim, 3, 2);
  Grid to_queries(shape.queries, shape.dim, 5, 99.0F);  // what was there before must not matter
  Grid to_rows(shape.rows, shape.dim, 4, 99.0F);
  backend.gradients.to_queries(weights.view(), rows.view(), to_queries.view());
  backend.gradients.to_rows(weights.view(), queries.view(), to_rows.view());
  std::vector<float> factors(shape.queries);
  Grid scaled(shape.queries, shape.dim);
  for (std::size_t i = 0; i < shape.queries; ++i) {
    factors[i] = 0.3F + static_cast<float>(i % 5);
    for (std::size_t c = 0; c < shape.dim; ++c) scaled.at(i, c) = factors[i] * queries.at(i, c);
  }
  Grid scaled_rows(shape.rows, shape.dim, 2, 99.0F);
  Grid expected(shape.rows, shape.dim);
  backend.gradients.to_rows_tiled({weights.view(), {factors.data(), 1, shape.queries, shape.queries}, shape.rows},
                                  queries.view(), scaled_rows.view());
  backend.gradients.to_rows(weights.view(), scaled.view(), expected.view());
  EXPECT_TRUE(same_bits(scaled_rows, expected) && scaled_rows.gaps_intact());
  for (std::size_t i = 0; i < shape.queries; ++i)
    for (std::size_t c = 0; c < shape.dim; ++c) {
      float chain = 0;
      double sum = 0;
      double magnitude = 0;
      for (std::size_t j = 0; j < shape.rows; ++j) {
        chain = std::fma(weights.at(i, j), rows.at(j, c), chain);
        sum += static_cast<double>(weights.at(i, j)) * rows.at(j, c);
        magnitude += std::abs(static_cast<double>(weights.at(i, j)) * rows.at(j, c));
      }
      ASSERT_EQ(bits(to_queries.at(i, c)), bits(chain)) << i << ", " << c;
      ASSERT_NEAR(to_queries.at(i, c), sum, static_cast<double>(shape.rows + 1) * kEpsilon / 2 * magnitude);
    }
  for (std::size_t j = 0; j < shape.rows; ++j)
    for (std::size_t c = 0; c < shape.dim; ++c) {
      float chain = 0;
      for (std::size_t i = 0; i < shape.queries; ++i) chain = std::fma(weights.at(i, j), queries.at(i, c), chain);
      ASSERT_EQ(bits(to_rows.at(j, c)), bits(chain)) << j << ", " << c;
    }
  EXPECT_TRUE(to_queries.gaps_intact() && to_rows.gaps_intact());
}

TEST_P(KernelsGradients, AreChainsOfFusedMultiplyAdds) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(::testing::Message() << shape.queries << " x " << shape.rows << " x " << shape.dim);
    check(backend(), shape);
  }
}

// <to_queries(W, E), Q> = <W, Q E^T> = <to_rows(W, Q), E>, whole numbers so that every sum is exact.
TEST_P(KernelsGradients, AreAdjointToScores) {
  Grid weights(21, 37), queries(21, 19), rows(37, 19);
  std::mt19937 engine(4);
  for (Grid* grid : {&weights, &queries, &rows})
    for (std::size_t i = 0; i < grid->rows(); ++i)
      for (std::size_t j = 0; j < grid->cols(); ++j) grid->at(i, j) = static_cast<float>(engine() % 9) - 4.0F;
  Grid scores(21, 37), to_queries(21, 19), to_rows(37, 19);
  backend().scores.all_pairs(Similarity::kDot, queries.view(), rows.view(), scores.view());
  backend().gradients.to_queries(weights.view(), rows.view(), to_queries.view());
  backend().gradients.to_rows(weights.view(), queries.view(), to_rows.view());
  const auto inner = [](const Grid& a, const Grid& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.rows(); ++i)
      for (std::size_t j = 0; j < a.cols(); ++j) sum += static_cast<double>(a.at(i, j)) * b.at(i, j);
    return sum;
  };
  EXPECT_EQ(inner(weights, scores), inner(to_queries, queries));
  EXPECT_EQ(inner(weights, scores), inner(to_rows, rows));
}

// The definition: the chain of a tile is rounded, multiplied by the factor of query and tile, and added.
TEST_P(KernelsGradients, TilesAreAddedInOrder) {
  for (const Shape& shape : {Shape{5, 70, 33}, {70, 257, 130}, {1, 16, 1}, {65, 3, 129}})
    for (const std::size_t tile : {16, 64, 100}) {
      const std::size_t tiles = (shape.rows + tile - 1) / tile;
      const Grid weights = random_grid(shape.queries, shape.rows, 1, 3);
      const Grid factors = random_grid(tiles, shape.queries, 2, 2);
      const Grid queries = random_grid(shape.queries, shape.dim, 3, 1);
      const Grid rows = random_grid(shape.rows, shape.dim, 4, 2);
      const Grid before = random_grid(shape.queries, shape.dim, 5, 7);
      Grid to_queries = before;
      Grid scratch(shape.queries, shape.dim, 3, 99.0F);
      Grid to_rows(shape.rows, shape.dim, 4, 99.0F);
      backend().gradients.add_to_queries_tiled({weights.view(), factors.view(), tile}, rows.view(), scratch.view(),
                                               to_queries.view());
      backend().gradients.to_rows_tiled({weights.view(), factors.view(), tile}, queries.view(), to_rows.view());
      for (std::size_t i = 0; i < shape.queries; ++i)
        for (std::size_t c = 0; c < shape.dim; ++c) {
          float sum = before.at(i, c);
          for (std::size_t t = 0; t < tiles; ++t) {
            float chain = 0;
            for (std::size_t j = t * tile; j < std::min(shape.rows, (t + 1) * tile); ++j)
              chain = std::fma(weights.at(i, j), rows.at(j, c), chain);
            sum += factors.at(t, i) * chain;
          }
          ASSERT_EQ(bits(to_queries.at(i, c)), bits(sum)) << i << ", " << c << " by " << tile;
        }
      for (std::size_t j = 0; j < shape.rows; ++j)
        for (std::size_t c = 0; c < shape.dim; ++c) {
          float chain = 0;
          for (std::size_t i = 0; i < shape.queries; ++i)
            chain = std::fma(weights.at(i, j), factors.at(j / tile, i) * queries.at(i, c), chain);
          ASSERT_EQ(bits(to_rows.at(j, c)), bits(chain)) << j << ", " << c << " by " << tile;
        }
      EXPECT_TRUE(to_queries.gaps_intact() && to_rows.gaps_intact());
    }
}

TEST_P(KernelsGradients, TilesOfTheWrongShapeAreRefused) {
  const Grid weights(2, 30);
  const Grid factors(2, 2);
  const Grid rows(30, 4);
  Grid out(2, 4);
  Grid scratch(2, 4);
  for (const std::size_t tile : {10, 0})
    EXPECT_ANY_THROW(backend().gradients.add_to_queries_tiled({weights.view(), factors.view(), tile}, rows.view(),
                                                              scratch.view(), out.view()));
  Grid gradients(30, 4);
  EXPECT_ANY_THROW(
      backend().gradients.to_rows_tiled({weights.view(), factors.view(), 10}, out.view(), gradients.view()));
}

TEST_P(KernelsGradients, EmptySumsAreZero) {
  const Grid weights(3, 0);
  const Grid rows(0, 20);
  Grid to_queries(3, 20, 0, 7.0F);
  backend().gradients.to_queries(weights.view(), rows.view(), to_queries.view());
  EXPECT_TRUE(same_bits(to_queries, Grid(3, 20)));
  const Grid no_weights(0, 3);
  const Grid queries(0, 20);
  Grid to_rows(3, 20, 0, 7.0F);
  backend().gradients.to_rows(no_weights.view(), queries.view(), to_rows.view());
  EXPECT_TRUE(same_bits(to_rows, Grid(3, 20)));
}

TEST_P(KernelsGradients, WrongShapesAreRefused) {
  Grid out(2, 4);
  const Grid weights(2, 3);
  const Grid rows(4, 4);
  EXPECT_ANY_THROW(backend().gradients.to_queries(weights.view(), rows.view(), out.view()));
  EXPECT_ANY_THROW(backend().gradients.to_rows(weights.view(), rows.view(), out.view()));
  const Grid queries(2, 4);
  Grid gradients(3, 4);
  const std::vector<float> factors(3);
  const TiledWeights tiled{weights.view(), {factors.data(), 1, 3, 3}, 3};
  EXPECT_ANY_THROW(backend().gradients.to_rows_tiled(tiled, queries.view(), gradients.view()));
}

}  // namespace
}  // namespace tessera::kernels::testing
