// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Products of the CPU in bfloat16 are chains, as those in fp32 are, of operands that were rounded.

#include "contract/kernels_support.hpp"
#include "kernels/bfloat16.hpp"

namespace tessera::kernels::testing {
namespace {

struct Shape {
  std::size_t queries;
  std::size_t rows;
  std::size_t dim;
};

// Around the sizes of registers, pieces, blocks of rows (112, 128), of columns and of steps (256).
const Shape kShapes[] = {{1, 1, 1},       {1, 100, 100},   {100, 1, 100}, {2, 15, 3},     {16, 16, 16},
                         {5, 17, 31},     {14, 32, 33},    {15, 33, 47},  {29, 49, 48},   {43, 129, 64},
                         {129, 7, 128},   {113, 257, 255}, {255, 256, 3}, {257, 113, 49}, {300, 530, 100},
                         {530, 9, 257},   {20, 530, 520},  {3, 1030, 2},  {0, 5, 7},      {5, 0, 7},
                         {127, 128, 256}, {225, 300, 81},  {1025, 17, 17}};

class Bfloat16Products : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::has_bfloat16_products()) GTEST_SKIP() << "this processor does not multiply in bfloat16";
  }
  static const Backend& backend() { return cpu_bfloat16_backend(); }
};

Grid rounded(const Grid& from) {
  Grid to = from;
  for (std::size_t i = 0; i < to.rows(); ++i)
    for (std::size_t j = 0; j < to.cols(); ++j) to.at(i, j) = from_bfloat16(to_bfloat16(from.at(i, j)));
  return to;
}

Grid scaled(const Grid& from, const std::vector<float>& factors) {
  Grid to = from;
  for (std::size_t i = 0; i < to.rows(); ++i)
    for (std::size_t j = 0; j < to.cols(); ++j) to.at(i, j) *= factors[i];
  return to;
}

/// The factors of one step, with gaps between rows.
struct Factors {
  explicit Factors(const Shape& of)
      : shape(of),
        weights(random_grid(of.queries, of.rows, 1, 3)),
        queries(random_grid(of.queries, of.dim, 2, 1)),
        rows(random_grid(of.rows, of.dim, 3, 2)) {}
  Shape shape;
  Grid weights, queries, rows;
};

/// Checks an element against a sum in double precision; `term(s)` is a product of rounded factors.
template <class Term>
void expect_near(float value, std::size_t steps, const Term& term) {
  double sum = 0;
  double magnitude = 0;
  for (std::size_t s = 0; s < steps; ++s) {
    sum += term(s);
    magnitude += std::abs(term(s));
  }
  ASSERT_NEAR(value, sum, static_cast<double>(steps + 1) * kEpsilon / 2 * magnitude);
}

void check_scores(const Backend& backend, const Factors& in) {
  Grid scores(in.shape.queries, in.shape.rows, 4, 99.0F);
  Grid expected(in.shape.queries, in.shape.rows);
  const Grid queries = rounded(in.queries);
  const Grid rows = rounded(in.rows);
  backend.scores.all_pairs(Similarity::kDot, in.queries.view(), in.rows.view(), scores.view());
  reference_backend().scores.all_pairs(Similarity::kDot, queries.view(), rows.view(), expected.view());
  EXPECT_TRUE(same_bits(scores, expected) && scores.gaps_intact());
  for (std::size_t i = 0; i < scores.rows(); i += 7)
    for (std::size_t j = 0; j < scores.cols(); j += 5)
      expect_near(scores.at(i, j), in.shape.dim,
                  [&](std::size_t c) { return static_cast<double>(queries.at(i, c)) * rows.at(j, c); });
}

void check_gradients(const Backend& backend, const Factors& in) {
  Grid to_queries(in.shape.queries, in.shape.dim, 5, 99.0F);
  Grid to_rows(in.shape.rows, in.shape.dim, 4, 99.0F);
  Grid expected_queries(in.shape.queries, in.shape.dim);
  Grid expected_rows(in.shape.rows, in.shape.dim);
  const Grid weights = rounded(in.weights);
  const Grid queries = rounded(in.queries);
  const Grid rows = rounded(in.rows);
  backend.gradients.to_queries(in.weights.view(), in.rows.view(), to_queries.view());
  backend.gradients.to_rows(in.weights.view(), in.queries.view(), to_rows.view());
  reference_backend().gradients.to_queries(weights.view(), rows.view(), expected_queries.view());
  reference_backend().gradients.to_rows(weights.view(), queries.view(), expected_rows.view());
  EXPECT_TRUE(same_bits(to_queries, expected_queries) && to_queries.gaps_intact());
  EXPECT_TRUE(same_bits(to_rows, expected_rows) && to_rows.gaps_intact());
  for (std::size_t i = 0; i < in.shape.queries; i += 9)
    for (std::size_t c = 0; c < in.shape.dim; c += 5)
      expect_near(to_queries.at(i, c), in.shape.rows,
                  [&](std::size_t j) { return static_cast<double>(weights.at(i, j)) * rows.at(j, c); });
}

TEST_F(Bfloat16Products, AreChainsOfRoundedOperands) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(::testing::Message() << shape.queries << " x " << shape.rows << " x " << shape.dim);
    const Factors in(shape);
    check_scores(backend(), in);
    check_gradients(backend(), in);
  }
}

// Factors multiply queries before these are rounded, and sums of queries after they were.
TEST_F(Bfloat16Products, OfTilesRoundTheScaledOperand) {
  const Factors in({129, 70, 49});
  constexpr std::size_t kTile = 32;
  const Grid factors = random_grid(3, 129, 4);
  Grid to_rows(70, 49);
  Grid to_queries(129, 49);
  Grid scratch(129, 49);
  const TiledWeights tiled{in.weights.view(), factors.view(), kTile};
  backend().gradients.to_rows_tiled(tiled, in.queries.view(), to_rows.view());
  backend().gradients.add_to_queries_tiled(tiled, in.rows.view(), scratch.view(), to_queries.view());
  const Grid weights = rounded(in.weights);
  Grid expected_rows(70, 49);
  for (std::size_t t = 0; t < 3; ++t) {
    const std::vector<float> of_tile(factors.view().row(t), factors.view().row(t) + 129);
    const Grid queries = rounded(scaled(in.queries, of_tile));
    const std::size_t count = std::min(kTile, 70 - t * kTile);
    reference_backend().gradients.to_rows(weights.view().columns(t * kTile, count), queries.view(),
                                          expected_rows.view().block(t * kTile, count));
  }
  EXPECT_TRUE(same_bits(to_rows, expected_rows));
  Grid expected_queries(129, 49);
  reference_backend().gradients.add_to_queries_tiled({weights.view(), factors.view(), kTile}, rounded(in.rows).view(),
                                                     scratch.view(), expected_queries.view());
  EXPECT_TRUE(same_bits(to_queries, expected_queries));
}

TEST_F(Bfloat16Products, DoNotDependOnTiles) {
  const Factors in({150, 300, 70});
  Grid whole(150, 300);
  Grid tiled(150, 300);
  backend().scores.all_pairs(Similarity::kDot, in.queries.view(), in.rows.view(), whole.view());
  for (std::size_t i = 0; i < 150; i += 41)
    for (std::size_t j = 0; j < 300; j += 77) {
      const std::size_t height = std::min<std::size_t>(41, 150 - i);
      const std::size_t width = std::min<std::size_t>(77, 300 - j);
      backend().scores.all_pairs(Similarity::kDot, in.queries.view().block(i, height), in.rows.view().block(j, width),
                                 tiled.view().block(i, height).columns(j, width));
    }
  EXPECT_TRUE(same_bits(whole, tiled));
}

float product_of(const Backend& backend, float a, float b) {
  const Grid query(1, 1, 0, a);
  const Grid row(1, 1, 0, b);
  Grid score(1, 1);
  backend.scores.all_pairs(Similarity::kDot, query.view(), row.view(), score.view());
  return score.at(0, 0);
}

TEST_F(Bfloat16Products, RoundToNearestEven) {
  EXPECT_EQ(product_of(backend(), 1.00390625F, 1), 1.0F);          // half of the last bit of 1: down to even
  EXPECT_EQ(product_of(backend(), 1.01171875F, 1), 1.015625F);     // one and a half: up to even
  EXPECT_EQ(product_of(backend(), 1.0039063692F, 1), 1.0078125F);  // more than a half
  EXPECT_EQ(product_of(backend(), -3.39e38F, 1), -3.3895314e38F);  // the largest number
  EXPECT_EQ(product_of(backend(), std::numeric_limits<float>::max(), 1), kInfinity);
}

TEST_F(Bfloat16Products, TellNumbersThatAreNotFinite) {
  EXPECT_TRUE(std::isnan(product_of(backend(), kNan, 1)));
  EXPECT_TRUE(std::isnan(product_of(backend(), kInfinity, 0)));
  EXPECT_EQ(product_of(backend(), kInfinity, -2), -kInfinity);
}

TEST_F(Bfloat16Products, CountSubnormalNumbersAsZero) {
  EXPECT_EQ(bits(product_of(backend(), 1e-39F, 1e9F)), bits(0.0F));
  EXPECT_EQ(bits(product_of(backend(), 1e-20F, 1e-20F)), bits(0.0F));
}

TEST_F(Bfloat16Products, LeaveDistancesAndPairsInFp32) {
  const Factors in({20, 20, 33});
  for (const Similarity similarity : {Similarity::kNegativeL1, Similarity::kNegativeL2}) {
    Grid scores(20, 20);
    Grid expected(20, 20);
    backend().scores.all_pairs(similarity, in.queries.view(), in.rows.view(), scores.view());
    cpu_backend().scores.all_pairs(similarity, in.queries.view(), in.rows.view(), expected.view());
    EXPECT_TRUE(same_bits(scores, expected));
  }
  std::vector<float> scores(20);
  std::vector<float> expected(20);
  backend().scores.pairs(Similarity::kDot, in.queries.view(), in.rows.view(), scores);
  cpu_backend().scores.pairs(Similarity::kDot, in.queries.view(), in.rows.view(), expected);
  EXPECT_TRUE(same_bits(scores, expected));
}

TEST(Bfloat16Instructions, AreOfOneInstructionSet) {
  for (const std::int64_t target : cpu::available_targets()) {
    const TargetScope scope(target);
    const bool may_have = cpu::target_name(target) == "AVX3";
    EXPECT_LE(cpu::has_bfloat16_products(), may_have) << cpu::target_name(target);
  }
}

}  // namespace
}  // namespace tessera::kernels::testing
