// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

#include <algorithm>

namespace tessera::kernels::testing {
namespace {

struct Batch {
  Grid logits;
  std::vector<float> targets;
  float shift = 0;
  float scale = 1;
};

struct Result {
  Grid weights;
  std::vector<float> losses;
  std::vector<float> target_weights;
};

Result run(const Backend& backend, const Batch& batch) {
  Result result{batch.logits, std::vector<float>(batch.targets.size(), kNan),
                std::vector<float>(batch.targets.size(), kNan)};
  backend.softmax.cross_entropy(result.weights.view(), {batch.targets, result.losses, result.target_weights},
                                batch.shift, batch.scale);
  return result;
}

Batch random_batch(std::size_t rows, std::size_t candidates, float spread, std::uint32_t seed) {
  Batch batch{random_grid(rows, candidates, seed, 3), random_vector(rows, seed + 1)};
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < candidates; ++j) batch.logits.at(i, j) *= spread;
  for (float& target : batch.targets) target *= spread;
  return batch;
}

/// Checks one row against the contract in long double. Weights have the scale's magnitude, so the tolerance is relative
/// to the weight plus what falls below the smallest exponential that is not zero.
void expect_row(const Batch& batch, const Result& result, std::size_t i) {
  const std::size_t n = batch.logits.cols();
  long double maximum = batch.targets[i];
  for (std::size_t j = 0; j < n; ++j)
    maximum = std::max(maximum, static_cast<long double>(batch.logits.at(i, j)) + batch.shift);
  const long double target_power = std::exp(batch.targets[i] - maximum);
  long double others = 0;
  std::vector<long double> powers(n);
  for (std::size_t j = 0; j < n; ++j)
    others += powers[j] = std::exp(static_cast<long double>(batch.logits.at(i, j)) + batch.shift - maximum);
  const long double total = target_power + others;
  const double loss = static_cast<double>(std::log(total) - (batch.targets[i] - maximum));
  // The argument of the exponential is rounded once where target and candidates are far apart.
  const double spread = std::abs(static_cast<double>(batch.targets[i] - maximum)) + std::abs(batch.shift);
  const double relative = (16 + static_cast<double>(n) / 16 + 4 * std::min(spread, 100.0)) * kEpsilon;
  const double smallest = std::numeric_limits<double>::epsilon();  // of what is left when a double holds 1 + rest
  EXPECT_NEAR(result.losses[i], loss, relative * std::abs(loss) + smallest) << "loss of row " << i;
  const double target_weight = static_cast<double>(-batch.scale * others / total);
  EXPECT_NEAR(result.target_weights[i], target_weight, relative * std::abs(target_weight) + 1e-37) << "target " << i;
  for (std::size_t j = 0; j < n; ++j) {
    const double weight = static_cast<double>(batch.scale * powers[j] / total);
    EXPECT_NEAR(result.weights.at(i, j), weight, 2 * relative * std::abs(weight) + 2e-37 * std::abs(batch.scale))
        << i << ", " << j;
  }
}

class KernelsSoftmax : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsSoftmax);

TEST_P(KernelsSoftmax, AgreesWithLongDouble) {
  for (const std::size_t candidates : {0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 512, 1000})
    for (const float spread : {0.01F, 1.0F, 10.0F, 40.0F}) {
      Batch batch = random_batch(5, candidates, spread, 1);
      batch.shift = 2.5F;
      batch.scale = 0.125F;
      const Result result = run(backend(), batch);
      for (std::size_t i = 0; i < 5; ++i) expect_row(batch, result, i);
      EXPECT_TRUE(result.weights.gaps_intact());
      if (HasFailure()) FAIL() << candidates << " candidates, spread " << spread;
    }
}

TEST_P(KernelsSoftmax, WeightsSumToZero) {
  const Batch batch = random_batch(20, 300, 3, 2);
  const Result result = run(backend(), batch);
  for (std::size_t i = 0; i < 20; ++i) {
    double sum = result.target_weights[i];
    for (std::size_t j = 0; j < 300; ++j) sum += result.weights.at(i, j);
    EXPECT_NEAR(sum, 0, 64 * kEpsilon);
  }
}

// Loss and weights by hand: two candidates like the target make p = 1/3.
TEST_P(KernelsSoftmax, EqualLogitsShareEvenly) {
  for (const float value : {0.0F, -3.0F, 1e4F, -1e4F}) {
    const Batch batch{Grid(1, 2, 0, value), {value}, 0, 6};
    const Result result = run(backend(), batch);
    EXPECT_FLOAT_EQ(result.losses[0], std::log(3.0F));
    EXPECT_FLOAT_EQ(result.target_weights[0], -4);
    EXPECT_FLOAT_EQ(result.weights.at(0, 0), 2);
    EXPECT_FLOAT_EQ(result.weights.at(0, 1), 2);
  }
}

// A shift of log(w) is the same as each candidate standing there w times.
TEST_P(KernelsSoftmax, ShiftCountsCandidates) {
  Batch once = random_batch(4, 50, 2, 3);
  once.shift = std::log(3.0F);
  Batch thrice{Grid(4, 150), once.targets};
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 150; ++j) thrice.logits.at(i, j) = once.logits.at(i, j % 50);
  const Result a = run(backend(), once);
  const Result b = run(backend(), thrice);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(a.losses[i], b.losses[i], 64 * kEpsilon * a.losses[i]);
    EXPECT_NEAR(a.weights.at(i, 7), 3 * b.weights.at(i, 7), 64 * kEpsilon);
  }
}

// A prior of log(w) is the same as a target whose score is higher by that.
TEST_P(KernelsSoftmax, PriorsRaiseTargets) {
  const Batch plain = random_batch(3, 40, 2, 5);
  const std::vector<float> priors{0, std::log(5.0F), -1};
  Batch raised = plain;
  for (std::size_t i = 0; i < priors.size(); ++i) raised.targets[i] += priors[i];
  Result with{plain.logits, std::vector<float>(3, kNan), std::vector<float>(3, kNan)};
  backend().softmax.cross_entropy(with.weights.view(), {plain.targets, with.losses, with.target_weights, priors}, 0, 1);
  const Result expected = run(backend(), raised);
  EXPECT_EQ(with.losses, expected.losses);
  EXPECT_EQ(with.target_weights, expected.target_weights);
  EXPECT_EQ(with.weights.at(2, 39), expected.weights.at(2, 39));
}

TEST_P(KernelsSoftmax, AddsToColumns) {
  for (const std::size_t columns : {1, 15, 16, 37, 700}) {
    Grid logits = random_grid(5, columns, 6, 3);
    const Grid before = logits;
    const std::vector<float> values = random_vector(columns, 7);
    backend().softmax.add_to_columns(values, logits.view());
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < columns; ++j) EXPECT_EQ(logits.at(i, j), before.at(i, j) + values[j]);
    EXPECT_TRUE(logits.gaps_intact());
  }
}

TEST_P(KernelsSoftmax, ExtremeLogitsStayFinite) {
  for (const float target : {1e4F, -1e4F, 0.0F})
    for (const float candidate : {1e4F, -1e4F, 0.0F}) {
      const Batch batch{Grid(1, 40, 0, candidate), {target}, 1.0F, 0.5F};
      const Result result = run(backend(), batch);
      expect_row(batch, result, 0);
      EXPECT_TRUE(std::isfinite(result.losses[0]));
    }
  Batch mixed{Grid(1, 40, 0, -1e4F), {-1e4F}};
  mixed.logits.at(0, 39) = 1e4F;
  const Result result = run(backend(), mixed);
  EXPECT_EQ(result.losses[0], 2e4F);
  EXPECT_EQ(result.weights.at(0, 39), 1.0F);
  EXPECT_EQ(result.weights.at(0, 38), 0.0F);
}

TEST_P(KernelsSoftmax, CandidatesOfMinusInfinityCountForNothing) {
  Batch some = random_batch(3, 70, 2, 4);
  Batch few{Grid(3, 69), some.targets};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 69; ++j) few.logits.at(i, j) = some.logits.at(i, j);
    some.logits.at(i, 69) = -kInfinity;
  }
  const Result a = run(backend(), some);
  const Result b = run(backend(), few);
  EXPECT_TRUE(same_bits(a.losses, b.losses));
  EXPECT_TRUE(same_bits(a.target_weights, b.target_weights));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(a.weights.at(i, 69), 0.0F);

  const Batch none{Grid(1, 33, 0, -kInfinity), {5.0F}};
  const Result alone = run(backend(), none);
  EXPECT_EQ(alone.losses[0], 0.0F);
  EXPECT_EQ(alone.target_weights[0], 0.0F);
  for (std::size_t j = 0; j < 33; ++j) EXPECT_EQ(alone.weights.at(0, j), 0.0F);
}

TEST_P(KernelsSoftmax, WithoutCandidatesTheTargetIsCertain) {
  const Result result = run(backend(), {Grid(2, 0), {3.0F, -4.0F}});
  EXPECT_EQ(result.losses[0], 0.0F);
  EXPECT_EQ(result.losses[1], 0.0F);
  EXPECT_EQ(result.target_weights[1], 0.0F);
}

// A run stops on a loss that is NaN, so a NaN must not get lost on the way to it.
TEST_P(KernelsSoftmax, NanReachesTheLoss) {
  for (const std::size_t candidates : {1, 16, 33, 100})
    for (std::size_t bad = 0; bad < candidates; bad += 7) {
      Batch batch = random_batch(2, candidates, 1, 5);
      batch.logits.at(1, bad) = kNan;
      const Result result = run(backend(), batch);
      EXPECT_FALSE(std::isnan(result.losses[0]));
      EXPECT_TRUE(std::isnan(result.losses[1])) << bad << " of " << candidates;
    }
  Batch batch = random_batch(1, 20, 1, 6);
  batch.targets[0] = kNan;
  EXPECT_TRUE(std::isnan(run(backend(), batch).losses[0]));
}

TEST_P(KernelsSoftmax, WrongShapesAreRefused) {
  Grid logits(3, 4);
  std::vector<float> two(2);
  std::vector<float> three(3);
  EXPECT_ANY_THROW(backend().softmax.cross_entropy(logits.view(), {two, three, three}, 0, 1));
  EXPECT_ANY_THROW(backend().softmax.cross_entropy(logits.view(), {three, two, three}, 0, 1));
}

TEST(KernelsSoftmaxBits, AreTheSameOnEveryInstructionSetAndInKernelBodies) {
  const std::vector<Implementation> all = fixed_lane_implementations();
  for (const std::size_t candidates : {1, 15, 16, 17, 100, 512})
    for (const float spread : {1.0F, 30.0F, 3000.0F}) {
      Batch batch = random_batch(40, candidates, spread, 7);
      batch.shift = 1.5F;
      batch.scale = 1.0F / 3;
      std::vector<Result> results;
      for (const Implementation& implementation : all) {
        const TargetScope scope(implementation.target);
        results.push_back(run(*implementation.backend, batch));
        EXPECT_TRUE(same_bits(results[0].weights, results.back().weights)) << implementation.name;
        EXPECT_TRUE(same_bits(results[0].losses, results.back().losses)) << implementation.name;
        EXPECT_TRUE(same_bits(results[0].target_weights, results.back().target_weights)) << implementation.name;
      }
    }
}

}  // namespace
}  // namespace tessera::kernels::testing
