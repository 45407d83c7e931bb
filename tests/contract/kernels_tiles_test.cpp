// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

#include <algorithm>

// One tile of a loss whose tiles are merged later: Softmax::exponentials and Softmax::logistic.
namespace tessera::kernels::testing {
namespace {

const std::size_t kSizes[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 256, 512, 1000};
constexpr double kUnderflow = 2e-37;  // exponentials below the smallest normal number may be 0
constexpr float kLowest = std::numeric_limits<float>::lowest();

/// A tile after a call, and the two numbers that each of its rows gave.
struct Result {
  Grid values;
  std::vector<float> first;   ///< maximum, or softplus
  std::vector<float> second;  ///< sums
};

Result exponentials(const Backend& backend, const Grid& logits) {
  Result result{logits, std::vector<float>(logits.rows(), kNan), std::vector<float>(logits.rows(), kNan)};
  const std::size_t rows = logits.rows();
  backend.softmax.exponentials(result.values.view(), std::max<std::size_t>(1, logits.cols()),
                               {result.first.data(), rows, 1, 1}, {result.second.data(), rows, 1, 1});
  return result;
}

Result logistic(const Backend& backend, const Grid& logits, float offset = 0) {
  Result result{logits, std::vector<float>(logits.rows(), kNan), std::vector<float>(logits.rows(), kNan)};
  const std::size_t rows = logits.rows();
  backend.softmax.logistic(result.values.view(), std::max<std::size_t>(1, logits.cols()), offset,
                           {result.first.data(), rows, 1, 1}, {result.second.data(), rows, 1, 1});
  return result;
}

Grid spread_grid(std::size_t rows, std::size_t cols, float spread, std::uint32_t seed) {
  Grid grid = random_grid(rows, cols, seed, 3);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) grid.at(i, j) *= spread;
  return grid;
}

void expect_exponentials(const Grid& logits, const Result& result, std::size_t i) {
  const std::size_t n = logits.cols();
  float maximum = kLowest;
  for (std::size_t j = 0; j < n; ++j) maximum = std::max(maximum, logits.at(i, j));
  EXPECT_EQ(result.first[i], maximum) << "row " << i;
  long double sum = 0;
  double sum_tolerance = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const long double below = static_cast<long double>(logits.at(i, j)) - maximum;
    const long double power = std::exp(below);
    // The difference to the maximum is rounded once.
    const double relative = (4 + std::min(std::abs(static_cast<double>(below)), 100.0)) * kEpsilon;
    const double tolerance = relative * static_cast<double>(power) + kUnderflow;
    EXPECT_NEAR(result.values.at(i, j), static_cast<double>(power), tolerance) << i << ", " << j;
    sum += power;
    sum_tolerance += tolerance;
  }
  const double adding = (8 + static_cast<double>(n) / 16) * kEpsilon;
  EXPECT_NEAR(result.second[i], static_cast<double>(sum), sum_tolerance + adding * static_cast<double>(sum)) << i;
}

void expect_logistic(const Grid& logits, float offset, const Result& result, std::size_t i) {
  const std::size_t n = logits.cols();
  long double softplus = 0;
  long double sum = 0;
  long double magnitudes = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const long double x = logits.at(i, j);
    softplus += std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x)));
    sum += x;
    magnitudes += std::abs(x);
    const long double sigmoid = 1 / (1 + std::exp(-x));
    const double tolerance = 8 * kEpsilon * static_cast<double>(sigmoid) + kEpsilon * std::abs(offset) + kUnderflow;
    EXPECT_NEAR(result.values.at(i, j), static_cast<double>(sigmoid - offset), tolerance) << i << ", " << j;
  }
  const double adding = (8 + static_cast<double>(n) / 16) * kEpsilon;
  // Each factor 1 + exp(-|x|) is rounded to a float, and so is each of their products.
  const double factors = 2 * static_cast<double>(n) * kEpsilon;
  EXPECT_NEAR(result.first[i], static_cast<double>(softplus), adding * static_cast<double>(softplus) + factors) << i;
  EXPECT_NEAR(result.second[i], static_cast<double>(sum), adding * static_cast<double>(magnitudes)) << i;
}

class KernelsTiles : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsTiles);

TEST_P(KernelsTiles, ExponentialsAgreeWithLongDouble) {
  for (const std::size_t candidates : kSizes)
    for (const float spread : {0.01F, 1.0F, 10.0F, 40.0F}) {
      const Grid logits = spread_grid(5, candidates, spread, 1);
      const Result result = exponentials(backend(), logits);
      for (std::size_t i = 0; i < 5; ++i) expect_exponentials(logits, result, i);
      EXPECT_TRUE(result.values.gaps_intact());
      if (HasFailure()) FAIL() << candidates << " candidates, spread " << spread;
    }
}

TEST_P(KernelsTiles, LogisticAgreesWithLongDouble) {
  for (const std::size_t candidates : kSizes)
    for (const float spread : {0.01F, 1.0F, 10.0F, 40.0F})
      for (const float offset : {0.0F, 0.1F}) {
        const Grid logits = spread_grid(5, candidates, spread, 2);
        const Result result = logistic(backend(), logits, offset);
        for (std::size_t i = 0; i < 5; ++i) expect_logistic(logits, offset, result, i);
        EXPECT_TRUE(result.values.gaps_intact());
        if (HasFailure()) FAIL() << candidates << " candidates, spread " << spread << ", offset " << offset;
      }
}

// The maximum logit wherever it stands: registers overlap at the end of a row.
TEST_P(KernelsTiles, TheHighestIsFoundEverywhere) {
  for (const std::size_t candidates : {1, 17, 31, 64, 65, 100})
    for (std::size_t best = 0; best < candidates; ++best) {
      Grid logits(1, candidates, 0, -2.5F);
      logits.at(0, best) = -1.5F;
      const Result result = exponentials(backend(), logits);
      EXPECT_EQ(result.first[0], -1.5F) << best << " of " << candidates;
      EXPECT_EQ(result.values.at(0, best), 1.0F);
    }
}

// Tiles merged by their maximum logits are the softmax of all.
TEST_P(KernelsTiles, MergedTilesAreOneSoftmax) {
  const Grid logits = spread_grid(6, 300, 3, 3);
  Grid left(6, 111);
  Grid right(6, 189);
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t j = 0; j < 300; ++j) (j < 111 ? left.at(i, j) : right.at(i, j - 111)) = logits.at(i, j);
  const Result all = exponentials(backend(), logits);
  const Result a = exponentials(backend(), left);
  const Result b = exponentials(backend(), right);
  for (std::size_t i = 0; i < 6; ++i) {
    const float maximum = std::max(a.first[i], b.first[i]);
    EXPECT_EQ(maximum, all.first[i]);
    const double sum = a.second[i] * std::exp(double{a.first[i]} - maximum) +  //
                       b.second[i] * std::exp(double{b.first[i]} - maximum);
    EXPECT_NEAR(sum, all.second[i], 64 * kEpsilon * sum);
  }
}

// Tiles of one matrix have the bits of tiles that are matrices of their own. in_tiles(values, tile, first, second) is
// the call, alone(matrix) that for one tile.
template <class InTiles, class Alone>
void expect_tiles_alone(const InTiles& in_tiles, const Alone& alone) {
  constexpr std::size_t kRows = 5;
  constexpr std::size_t kCols = 150;
  const Grid logits = spread_grid(kRows, kCols, 3, 11);
  for (const std::size_t tile : {1, 16, 30, 64, 256}) {
    const std::size_t tiles = (kCols + tile - 1) / tile;
    Grid values = logits;
    Grid first(kRows, tiles, 2);
    Grid second(kRows, tiles, 1);
    in_tiles(values.view(), tile, first.view(), second.view());
    EXPECT_TRUE(values.gaps_intact() && first.gaps_intact() && second.gaps_intact());
    for (std::size_t t = 0; t < tiles; ++t) {
      const std::size_t count = std::min(tile, kCols - t * tile);
      Grid own(kRows, count);
      for (std::size_t i = 0; i < kRows; ++i)
        for (std::size_t j = 0; j < count; ++j) own.at(i, j) = logits.at(i, t * tile + j);
      const Result expected = alone(own);
      for (std::size_t i = 0; i < kRows; ++i) {
        ASSERT_EQ(bits(first.at(i, t)), bits(expected.first[i]));
        ASSERT_EQ(bits(second.at(i, t)), bits(expected.second[i]));
        for (std::size_t j = 0; j < count; ++j)
          ASSERT_EQ(bits(values.at(i, t * tile + j)), bits(expected.values.at(i, j)));
      }
    }
  }
}

TEST_P(KernelsTiles, TilesOfAMatrixAreWorkedOnAlone) {
  const Softmax& softmax = backend().softmax;
  expect_tiles_alone(
      [&](Matrix values, std::size_t tile, Matrix a, Matrix b) { softmax.exponentials(values, tile, a, b); },
      [&](const Grid& own) { return exponentials(backend(), own); });
  expect_tiles_alone(
      [&](Matrix values, std::size_t tile, Matrix a, Matrix b) { softmax.logistic(values, tile, 0.25F, a, b); },
      [&](const Grid& own) { return logistic(backend(), own, 0.25F); });
}

TEST_P(KernelsTiles, ExtremeLogitsStayFinite) {
  for (const float value : {3e38F, -3e38F, 1e4F, -1e4F, 0.0F}) {
    const Grid logits(1, 40, 0, value);
    const Result powers = exponentials(backend(), logits);
    EXPECT_EQ(powers.first[0], value);
    EXPECT_EQ(powers.second[0], 40.0F);
    expect_exponentials(logits, powers, 0);
  }
  Grid mixed(1, 40, 0, -1e4F);
  mixed.at(0, 38) = 1e4F;
  const Result powers = exponentials(backend(), mixed);
  EXPECT_EQ(powers.first[0], 1e4F);
  EXPECT_EQ(powers.second[0], 1.0F);
  EXPECT_EQ(powers.values.at(0, 38), 1.0F);
  EXPECT_EQ(powers.values.at(0, 39), 0.0F);

  const Result unlikely = logistic(backend(), Grid(1, 40, 0, -1e4F));
  EXPECT_EQ(unlikely.first[0], 0.0F);
  EXPECT_EQ(unlikely.values.at(0, 39), 0.0F);
  const Result certain = logistic(backend(), Grid(1, 40, 0, 1e4F), 0.25F);
  EXPECT_EQ(certain.first[0], 4e5F);
  EXPECT_EQ(certain.second[0], 4e5F);
  EXPECT_EQ(certain.values.at(0, 39), 0.75F);
}

// log(1 + exp(0)) is log 2, many times: the product of the factors would overflow were it not cut into pieces.
TEST_P(KernelsTiles, LogisticOfZeroByHand) {
  for (const std::size_t candidates : {1, 16, 1024, 5000}) {
    const Result result = logistic(backend(), Grid(1, candidates, 0, 0.0F), 0.5F);
    EXPECT_NEAR(result.first[0], static_cast<double>(candidates) * std::log(2.0),
                kEpsilon * static_cast<double>(candidates));
    EXPECT_EQ(result.second[0], 0.0F);
    EXPECT_EQ(result.values.at(0, candidates - 1), 0.0F);
  }
}

TEST_P(KernelsTiles, CandidatesOfMinusInfinityCountForNothing) {
  Grid some = spread_grid(3, 70, 2, 4);
  Grid few(3, 69);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 69; ++j) few.at(i, j) = some.at(i, j);
    some.at(i, 69) = -kInfinity;
  }
  const Result a = exponentials(backend(), some);
  const Result b = exponentials(backend(), few);
  EXPECT_TRUE(same_bits(a.first, b.first));
  EXPECT_TRUE(same_bits(a.second, b.second));
  const Result c = logistic(backend(), some);
  EXPECT_TRUE(same_bits(c.first, logistic(backend(), few).first));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(a.values.at(i, 69), 0.0F);
    EXPECT_EQ(c.values.at(i, 69), 0.0F);
    EXPECT_EQ(c.second[i], -kInfinity);  // the contract: a plain sum
  }

  for (const std::size_t candidates : {1, 33, 100}) {
    const Result none = exponentials(backend(), Grid(1, candidates, 0, -kInfinity));
    EXPECT_EQ(none.first[0], kLowest);
    EXPECT_EQ(none.second[0], 0.0F);
    for (std::size_t j = 0; j < candidates; ++j) EXPECT_EQ(none.values.at(0, j), 0.0F);
  }
}

TEST_P(KernelsTiles, WithoutCandidatesThereIsNothing) {
  const Result powers = exponentials(backend(), Grid(2, 0));
  const Result sigmoids = logistic(backend(), Grid(2, 0), 0.5F);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(powers.first[i], kLowest);
    EXPECT_EQ(powers.second[i], 0.0F);
    EXPECT_EQ(sigmoids.first[i], 0.0F);
    EXPECT_EQ(sigmoids.second[i], 0.0F);
  }
}

// A run stops on a loss that is NaN, so a NaN (or what becomes one) must not get lost on the way to it.
TEST_P(KernelsTiles, NanReachesTheSums) {
  for (const std::size_t candidates : {1, 16, 33, 64, 100, 200})
    for (std::size_t bad = 0; bad < candidates; bad += 7) {
      Grid logits = spread_grid(2, candidates, 1, 5);
      logits.at(1, bad) = kNan;
      const Result powers = exponentials(backend(), logits);
      EXPECT_FALSE(std::isnan(powers.second[0]));
      EXPECT_TRUE(std::isnan(powers.second[1])) << bad << " of " << candidates;
      const Result sigmoids = logistic(backend(), logits);
      EXPECT_FALSE(std::isnan(sigmoids.first[0]) || std::isnan(sigmoids.second[0]));
      EXPECT_TRUE(std::isnan(sigmoids.first[1]) && std::isnan(sigmoids.second[1])) << bad << " of " << candidates;
      EXPECT_TRUE(std::isnan(sigmoids.values.at(1, bad)));
      logits.at(1, bad) = kInfinity;
      EXPECT_TRUE(std::isnan(exponentials(backend(), logits).second[1])) << bad << " of " << candidates;
      EXPECT_EQ(logistic(backend(), logits).first[1], kInfinity) << bad << " of " << candidates;
    }
}

TEST_P(KernelsTiles, WrongShapesAreRefused) {
  Grid logits(3, 4);
  Grid one_of_two(2, 1);
  Grid one(3, 1);
  Grid both(3, 2);
  EXPECT_ANY_THROW(backend().softmax.exponentials(logits.view(), 4, one_of_two.view(), one.view()));
  EXPECT_ANY_THROW(backend().softmax.exponentials(logits.view(), 3, both.view(), one.view()));
  EXPECT_ANY_THROW(backend().softmax.exponentials(logits.view(), 4, both.view(), both.view()));
  EXPECT_ANY_THROW(backend().softmax.exponentials(logits.view(), 0, one.view(), one.view()));
  EXPECT_ANY_THROW(backend().softmax.logistic(logits.view(), 4, 0, one_of_two.view(), one.view()));
  EXPECT_ANY_THROW(backend().softmax.logistic(logits.view(), 3, 0, both.view(), one.view()));
  EXPECT_ANY_THROW(backend().softmax.logistic(logits.view(), 0, 0, one.view(), one.view()));
}

void expect_same(const Result& a, const Result& b, const std::string& name) {
  EXPECT_TRUE(same_bits(a.values, b.values)) << name;
  EXPECT_TRUE(same_bits(a.first, b.first)) << name;
  EXPECT_TRUE(same_bits(a.second, b.second)) << name;
}

TEST(KernelsTilesBits, AreTheSameOnEveryInstructionSetAndInKernelBodies) {
  const std::vector<Implementation> all = fixed_lane_implementations();
  for (const std::size_t candidates : kSizes)
    for (const float spread : {0.0F, 1.0F, 30.0F, 3000.0F}) {
      Grid logits = spread_grid(40, candidates, spread, 7);  // spread 0: zeros of both signs
      if (candidates > 0) logits.at(3, candidates - 1) = -kInfinity;
      std::vector<Result> powers;
      std::vector<Result> sigmoids;
      for (const Implementation& implementation : all) {
        const TargetScope scope(implementation.target);
        powers.push_back(exponentials(*implementation.backend, logits));
        sigmoids.push_back(logistic(*implementation.backend, logits, 1.0F / 3));
        expect_same(powers[0], powers.back(), implementation.name);
        expect_same(sigmoids[0], sigmoids.back(), implementation.name);
        if (HasFailure()) FAIL() << candidates << " candidates, spread " << spread;
      }
    }
}

}  // namespace
}  // namespace tessera::kernels::testing
