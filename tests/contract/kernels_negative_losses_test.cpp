// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

namespace tessera::kernels::testing {
namespace {

struct Batch {
  Grid scores;
  std::vector<float> targets;
};

struct Result {
  Grid weights;
  std::vector<float> losses;
  std::vector<float> target_weights;
};

template <class Loss>
Result run(const Backend& backend, const Loss& of, const Batch& batch) {
  Result result{batch.scores, std::vector<float>(batch.targets.size(), kNan),
                std::vector<float>(batch.targets.size(), kNan)};
  backend.negative_losses.weigh(of, result.weights.view(), {batch.targets, result.losses, result.target_weights});
  return result;
}

/// Scores below zero, as distances are, or of any sign; some negatives count for nothing.
Batch random_batch(std::size_t rows, std::size_t count, float spread, std::uint32_t seed) {
  Batch batch{random_grid(rows, count, seed, 3), random_vector(rows, seed + 1)};
  for (std::size_t i = 0; i < rows; ++i) {
    batch.targets[i] *= spread;
    for (std::size_t j = 0; j < count; ++j) {
      float& score = batch.scores.at(i, j);
      score *= spread;
      if (i % 2 == 0) score = -std::abs(score);
      if ((7 * i + j) % 13 == 5) score = -kInfinity;
    }
  }
  return batch;
}

class KernelsNegativeLosses : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsNegativeLosses);

const std::size_t kCounts[] = {1, 2, 15, 16, 17, 127, 128, 129, 300, 1000};

TEST_P(KernelsNegativeLosses, MarginAgreesWithLongDouble) {
  const MarginLoss of{0.7F, 0.125F};
  for (const std::size_t count : kCounts) {
    const Batch batch = random_batch(11, count, 2, 1);
    const Result result = run(backend(), of, batch);
    for (std::size_t i = 0; i < 11; ++i) {
      long double loss = 0;
      std::size_t active = 0;
      for (std::size_t j = 0; j < count; ++j) {
        const float violation = of.margin + batch.scores.at(i, j) - batch.targets[i];
        if (violation > 0) loss += violation;
        active += violation > 0 ? 1 : 0;
        ASSERT_EQ(result.weights.at(i, j), violation > 0 ? of.scale / static_cast<float>(count) : 0.0F);
      }
      EXPECT_FLOAT_EQ(result.losses[i], static_cast<float>(loss / static_cast<long double>(count)));
      EXPECT_FLOAT_EQ(result.target_weights[i], -of.scale * static_cast<float>(active) / static_cast<float>(count));
    }
    EXPECT_TRUE(result.weights.gaps_intact());
  }
}

TEST_P(KernelsNegativeLosses, SelfAdversarialAgreesWithLongDouble) {
  for (const float temperature : {0.0F, 0.5F, 2.0F})
    for (const std::size_t count : kCounts) {
      const SelfAdversarialLoss of{3.0F, temperature, 0.25F};
      const Batch batch = random_batch(11, count, 3, 2);
      const Result result = run(backend(), of, batch);
      const auto log_sigmoid = [](long double x) { return -std::log1p(std::exp(-x)); };
      for (std::size_t i = 0; i < 11; ++i) {
        long double total = 0;
        for (std::size_t j = 0; j < count; ++j)
          if (!std::isinf(batch.scores.at(i, j)))
            total += std::exp(static_cast<long double>(temperature) * batch.scores.at(i, j));
        long double loss = -log_sigmoid(static_cast<long double>(of.margin) + batch.targets[i]);
        for (std::size_t j = 0; j < count; ++j) {
          const long double score = batch.scores.at(i, j);
          if (std::isinf(batch.scores.at(i, j))) {
            ASSERT_EQ(result.weights.at(i, j), 0.0F);
            continue;
          }
          const long double p = std::exp(temperature * score) / total;
          loss -= p * log_sigmoid(-of.margin - score);
          const auto weight = static_cast<double>(of.scale * p / (1 + std::exp(-of.margin - score)));
          ASSERT_NEAR(result.weights.at(i, j), weight, 1e-5 * weight + 1e-12) << count << ": " << i << ", " << j;
        }
        EXPECT_NEAR(result.losses[i], static_cast<double>(loss), 1e-5 * static_cast<double>(loss));
        const double target_weight = -of.scale / (1 + std::exp(static_cast<double>(of.margin + batch.targets[i])));
        EXPECT_NEAR(result.target_weights[i], target_weight, -1e-5 * target_weight);
      }
      EXPECT_TRUE(result.weights.gaps_intact());
    }
}

TEST_P(KernelsNegativeLosses, NegativesOfMinusInfinityCountForNothing) {
  const Batch none{Grid(2, 140, 0, -kInfinity), {0.5F, -0.5F}};
  const Result margin = run(backend(), MarginLoss{1, 1}, none);
  const Result adversarial = run(backend(), SelfAdversarialLoss{1, 1, 1}, none);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(margin.losses[i], 0.0F);
    EXPECT_EQ(margin.target_weights[i], 0.0F);
    EXPECT_FLOAT_EQ(adversarial.losses[i], std::log1p(std::exp(-1 - none.targets[i])));
    for (std::size_t j = 0; j < 140; ++j) EXPECT_EQ(margin.weights.at(i, j), 0.0F);
    for (std::size_t j = 0; j < 140; ++j) EXPECT_EQ(adversarial.weights.at(i, j), 0.0F);
  }
}

// A run stops on a loss that is no finite number, so none must get lost on the way to it.
TEST_P(KernelsNegativeLosses, WhatIsNotFiniteReachesTheLoss) {
  for (const float bad : {kNan, kInfinity})
    for (std::size_t at = 0; at < 140; at += 23) {
      Batch batch = random_batch(2, 140, 1, 5);
      batch.scores.at(1, at) = bad;
      for (const Result& result :
           {run(backend(), MarginLoss{1, 1}, batch), run(backend(), SelfAdversarialLoss{1, 1, 1}, batch)}) {
        EXPECT_TRUE(std::isfinite(result.losses[0]));
        EXPECT_FALSE(std::isfinite(result.losses[1])) << at;
      }
    }
  Batch batch = random_batch(1, 20, 1, 6);
  batch.targets[0] = kNan;
  EXPECT_TRUE(std::isnan(run(backend(), MarginLoss{1, 1}, batch).losses[0]));
  EXPECT_TRUE(std::isnan(run(backend(), SelfAdversarialLoss{1, 1, 1}, batch).losses[0]));
}

TEST_P(KernelsNegativeLosses, HaveTheBitsOfTheReference) {
#ifdef TESSERA_CONTRACT_ON_DEVICE
  GTEST_SKIP() << "exp and log1p are those of the device";
#endif
  const auto expect_same = [&](const auto& of, const Batch& batch) {
    const Result expected = run(reference_backend(), of, batch);
    const Result result = run(backend(), of, batch);
    EXPECT_TRUE(same_bits(expected.weights, result.weights));
    EXPECT_TRUE(same_bits(expected.losses, result.losses));
    EXPECT_TRUE(same_bits(expected.target_weights, result.target_weights));
  };
  for (const std::size_t count : kCounts)
    for (const float spread : {0.1F, 3.0F, 50.0F}) {
      const Batch batch = random_batch(21, count, spread, 9);
      expect_same(MarginLoss{0.7F, 1.0F / 3}, batch);
      expect_same(SelfAdversarialLoss{2.5F, 0.7F, 1.0F / 3}, batch);
    }
}

TEST_P(KernelsNegativeLosses, WrongShapesAreRefused) {
  Grid scores(3, 4);
  Grid none(3, 0);
  std::vector<float> two(2);
  std::vector<float> three(3);
  const NegativeLosses& losses = backend().negative_losses;
  EXPECT_ANY_THROW(losses.weigh(MarginLoss{}, scores.view(), {two, three, three}));
  EXPECT_ANY_THROW(losses.weigh(MarginLoss{}, scores.view(), {three, two, three}));
  EXPECT_ANY_THROW(losses.weigh(SelfAdversarialLoss{}, scores.view(), {three, three, two}));
  EXPECT_ANY_THROW(losses.weigh(MarginLoss{}, none.view(), {three, three, three}));
  EXPECT_ANY_THROW(losses.weigh(SelfAdversarialLoss{}, none.view(), {three, three, three}));
}

}  // namespace
}  // namespace tessera::kernels::testing
