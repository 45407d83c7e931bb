// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

namespace tessera::kernels::testing {
namespace {

constexpr Similarity kDistances[] = {Similarity::kNegativeL1, Similarity::kNegativeL2};

struct Shape {
  std::size_t queries;
  std::size_t rows;
  std::size_t dim;
};
const Shape kShapes[] = {{1, 1, 1},    {1, 100, 100}, {100, 1, 100},  {2, 15, 3},    {16, 16, 16}, {5, 17, 31},
                         {64, 64, 64}, {65, 66, 67},  {70, 257, 130}, {3, 530, 128}, {300, 9, 20}, {17, 40, 1}};

/// Some queries lie on rows, others share elements with them.
struct Case {
  explicit Case(const Shape& shape)
      : weights(random_grid(shape.queries, shape.rows, 1, 3)),
        queries(random_grid(shape.queries, shape.dim, 2, 1)),
        rows(random_grid(shape.rows, shape.dim, 3, 2)) {
    for (std::size_t i = 0; i < shape.queries; ++i)
      for (std::size_t c = 0; c < shape.dim; ++c)
        if (i % 4 == 0 || c % 5 == 0) queries.at(i, c) = rows.at((3 * i) % shape.rows, c);
  }
  Grid weights;
  Grid queries;
  Grid rows;
};

float sign_of(float x) {
  if (x > 0) return 1;
  return x < 0 ? -1.0F : 0.0F;
}

/// The definition, for the element x of an own vector: chains over weights[s] and others[s].
float expected_gradient(Similarity similarity, float x, const std::vector<float>& weights,
                        const std::vector<float>& others) {
  float signs = 0;
  float sum = 0;
  float product = 0;
  for (std::size_t s = 0; s < weights.size(); ++s) {
    signs -= weights[s] * sign_of(x - others[s]);
    sum += weights[s];
    product = std::fma(weights[s], others[s], product);
  }
  return similarity == Similarity::kNegativeL1 ? signs : sum * x - product;
}

class KernelsDistances : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsDistances);

void check(const Backend& backend, Similarity similarity, const Shape& shape) {
  const Case in(shape);
  Grid to_queries(shape.queries, shape.dim, 5, 99.0F);  // what was there before must not matter
  Grid to_rows(shape.rows, shape.dim, 4, 99.0F);
  backend.distances.to_queries(similarity, {in.weights.view(), in.queries.view(), in.rows.view()}, to_queries.view());
  backend.distances.to_rows(similarity, {in.weights.view(), in.queries.view(), in.rows.view()}, to_rows.view());
  for (std::size_t c = 0; c < shape.dim; ++c) {
    std::vector<float> weights(shape.rows);
    std::vector<float> others(shape.rows);
    for (std::size_t i = 0; i < shape.queries; ++i) {
      for (std::size_t j = 0; j < shape.rows; ++j) weights[j] = in.weights.at(i, j);
      for (std::size_t j = 0; j < shape.rows; ++j) others[j] = in.rows.at(j, c);
      const float expected = expected_gradient(similarity, in.queries.at(i, c), weights, others);
      ASSERT_EQ(bits(to_queries.at(i, c)), bits(expected)) << i << ", " << c;
    }
    weights.resize(shape.queries);
    others.resize(shape.queries);
    for (std::size_t j = 0; j < shape.rows; ++j) {
      for (std::size_t i = 0; i < shape.queries; ++i) weights[i] = in.weights.at(i, j);
      for (std::size_t i = 0; i < shape.queries; ++i) others[i] = in.queries.at(i, c);
      const float expected = expected_gradient(similarity, in.rows.at(j, c), weights, others);
      ASSERT_EQ(bits(to_rows.at(j, c)), bits(expected)) << j << ", " << c;
    }
  }
  EXPECT_TRUE(to_queries.gaps_intact() && to_rows.gaps_intact());
}

TEST_P(KernelsDistances, GradientsAreChains) {
  for (const Similarity similarity : kDistances)
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(::testing::Message() << shape.queries << " x " << shape.rows << " x " << shape.dim);
      check(backend(), similarity, shape);
    }
}

// From weights of scores to gradients, against finite differences of the sum of weighted scores in double.
TEST_P(KernelsDistances, AreGradientsOfTheScores) {
  constexpr Shape kShape{3, 5, 6};
  Case in(kShape);
  in.queries = random_grid(kShape.queries, kShape.dim, 7);
  const auto objective = [&](Similarity similarity, std::size_t i, std::size_t c, double change) {
    double sum = 0;
    for (std::size_t j = 0; j < kShape.rows; ++j) {
      double distance = 0;
      for (std::size_t k = 0; k < kShape.dim; ++k) {
        const double x = static_cast<double>(in.queries.at(i, k)) + (k == c ? change : 0) - in.rows.at(j, k);
        distance += similarity == Similarity::kNegativeL1 ? std::abs(x) : x * x;
      }
      sum -= in.weights.at(i, j) * (similarity == Similarity::kNegativeL1 ? distance : std::sqrt(distance));
    }
    return sum;
  };
  for (const Similarity similarity : kDistances) {
    Grid scores(kShape.queries, kShape.rows);
    Grid coefficients = in.weights;
    Grid out(kShape.queries, kShape.dim);
    backend().scores.all_pairs(similarity, in.queries.view(), in.rows.view(), scores.view());
    if (similarity == Similarity::kNegativeL2) backend().distances.to_coefficients(scores.view(), coefficients.view());
    backend().distances.to_queries(similarity, {coefficients.view(), in.queries.view(), in.rows.view()}, out.view());
    for (std::size_t i = 0; i < kShape.queries; ++i)
      for (std::size_t c = 0; c < kShape.dim; ++c) {
        const double slope = (objective(similarity, i, c, 1e-5) - objective(similarity, i, c, -1e-5)) / 2e-5;
        EXPECT_NEAR(out.at(i, c), slope, 1e-4) << i << ", " << c;
      }
  }
}

TEST_P(KernelsDistances, CoefficientsAreWeightsDividedByScores) {
  for (const std::size_t cols : {1, 15, 33, 200}) {
    Grid weights = random_grid(5, cols, 1, 3);
    Grid scores = random_grid(5, cols, 2, 2);
    const float special[] = {0.0F, -0.0F, kNan, -kInfinity, kInfinity};
    for (std::size_t i = 0; i < 5; ++i) scores.at(i, i % cols) = special[i];
    Grid expected = weights;
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < cols; ++j)
        expected.at(i, j) = scores.at(i, j) < 0 ? weights.at(i, j) / scores.at(i, j) : 0.0F;
    backend().distances.to_coefficients(scores.view(), weights.view());
    EXPECT_TRUE(same_bits(weights, expected) && weights.gaps_intact());
  }
}

TEST_P(KernelsDistances, PairsByHand) {
  for (const Similarity similarity : kSimilarities)
    for (const std::size_t dim : {1, 31, 130}) {
      const Case in({9, 9, dim});
      const std::vector<float> weights = random_vector(9, 4);
      std::vector<float> scores = random_vector(9, 5);
      scores[3] = 0;
      const Grid before = random_grid(9, dim, 6, 1);
      Grid of_queries = before;
      Grid of_rows(9, dim, 2, 99.0F);
      backend().distances.pairs(similarity, {weights, scores, in.queries.view(), in.rows.view()}, of_queries.view(),
                                of_rows.view());
      for (std::size_t i = 0; i < 9; ++i)
        for (std::size_t c = 0; c < dim; ++c) {
          const float q = in.queries.at(i, c);
          const float e = in.rows.at(i, c);
          const float coefficient = scores[i] < 0 ? weights[i] / scores[i] : 0.0F;
          const float slope = weights[i] * sign_of(q - e);
          float expected_query = before.at(i, c);
          float expected_row = 0;
          if (similarity == Similarity::kDot) {
            expected_query += weights[i] * e;
            expected_row = weights[i] * q;
          } else if (similarity == Similarity::kNegativeL1) {
            expected_query -= slope;
            expected_row = slope;
          } else {
            expected_query += coefficient * (q - e);
            expected_row = coefficient * (e - q);
          }
          ASSERT_EQ(bits(of_queries.at(i, c)), bits(expected_query)) << i << ", " << c;
          ASSERT_EQ(of_rows.at(i, c), expected_row) << i << ", " << c;
        }
      EXPECT_TRUE(of_queries.gaps_intact() && of_rows.gaps_intact());
    }
}

TEST_P(KernelsDistances, EmptySumsAreZero) {
  const Grid queries = random_grid(3, 20, 1);
  Grid out(3, 20, 0, 7.0F);
  for (const Similarity similarity : kDistances) {
    backend().distances.to_queries(similarity, {Grid(3, 0).view(), queries.view(), Grid(0, 20).view()}, out.view());
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t c = 0; c < 20; ++c) EXPECT_EQ(out.at(i, c), 0.0F);
  }
}

TEST_P(KernelsDistances, WrongShapesAreRefused) {
  const Distances& distances = backend().distances;
  Grid weights(2, 3);
  const Grid queries(2, 4);
  const Grid rows(3, 4);
  Grid out(2, 4);
  Grid few(2, 2);
  const std::vector<float> two(2);
  EXPECT_ANY_THROW(distances.to_queries(Similarity::kDot, {weights.view(), queries.view(), rows.view()}, out.view()));
  for (const Similarity similarity : kDistances) {
    EXPECT_ANY_THROW(distances.to_queries(similarity, {few.view(), queries.view(), rows.view()}, out.view()));
    EXPECT_ANY_THROW(distances.to_queries(similarity, {weights.view(), queries.view(), rows.view()}, weights.view()));
    EXPECT_ANY_THROW(distances.to_rows(similarity, {weights.view(), queries.view(), rows.view()}, out.view()));
    EXPECT_ANY_THROW(distances.pairs(similarity, {two, two, queries.view(), rows.view()}, out.view(), out.view()));
  }
  EXPECT_ANY_THROW(distances.to_coefficients(few.view(), weights.view()));
}

}  // namespace
}  // namespace tessera::kernels::testing
