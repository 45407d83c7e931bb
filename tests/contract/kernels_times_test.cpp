// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

// Losses that count some times: weights of triples.
namespace tessera::kernels::testing {
namespace {

class KernelsTimes : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsTimes);

constexpr std::size_t kRows = 4;
constexpr std::size_t kColumns = 129;

struct Result {
  Grid weights;
  std::vector<float> losses = std::vector<float>(kRows, kNan);
  std::vector<float> target_weights = std::vector<float>(kRows, kNan);
};

/// `apply` writes a result. Everything that a row writes is multiplied by its times.
template <class Apply>
void check_rows(const Apply& apply) {
  const Grid scores = random_grid(kRows, kColumns, 3, 3);
  const std::vector<float> targets = random_vector(kRows, 4);
  const std::vector<float> times{0, 0.5F, 1, 4};
  Result once{scores};
  Result some_times{scores};
  apply(once.weights.view(), TargetLosses{targets, once.losses, once.target_weights});
  apply(some_times.weights.view(), TargetLosses{targets, some_times.losses, some_times.target_weights, {}, times});
  for (std::size_t i = 0; i < kRows; ++i) {
    EXPECT_FLOAT_EQ(some_times.losses[i], times[i] * once.losses[i]);
    EXPECT_FLOAT_EQ(some_times.target_weights[i], times[i] * once.target_weights[i]);
    for (std::size_t j = 0; j < kColumns; ++j)
      EXPECT_FLOAT_EQ(some_times.weights.at(i, j), times[i] * once.weights.at(i, j));
  }
  EXPECT_TRUE(some_times.weights.gaps_intact());
  EXPECT_EQ(some_times.losses[2], once.losses[2]) << "once is the same bits";
  EXPECT_EQ(some_times.weights.at(2, 7), once.weights.at(2, 7));
}

TEST_P(KernelsTimes, MultiplyASoftmax) {
  check_rows([&](Matrix logits, const TargetLosses& targets) {
    backend().softmax.cross_entropy(logits, targets, 0.25F, 0.5F);
  });
}

TEST_P(KernelsTimes, MultiplyMargins) {
  check_rows([&](Matrix scores, const TargetLosses& targets) {
    backend().negative_losses.weigh(MarginLoss{0.7F, 0.125F}, scores, targets);
  });
}

TEST_P(KernelsTimes, MultiplySelfAdversarialLosses) {
  check_rows([&](Matrix scores, const TargetLosses& targets) {
    backend().negative_losses.weigh(SelfAdversarialLoss{3.0F, 0.5F, 0.25F}, scores, targets);
  });
}

// A target that counts some times adds as many losses; here one of two targets counts 3 times, the other half.
TEST_P(KernelsTimes, TargetsOfAStatisticCountSomeTimes) {
  const std::vector<Statistic> all{{2, 5}};
  const std::vector<float> scores{1.5F, -0.25F};
  const std::vector<float> times{3, 0.5F};
  const std::vector<std::uint32_t> first{0, 2};
  std::vector<LossTerms> terms(1);
  std::vector<float> weights(2);
  backend().statistics.terms(SoftmaxLoss{0.5F, true}, all, {scores, first, weights, times}, terms);
  const double normaliser = 2 + std::log(5.0);
  EXPECT_NEAR(terms[0].loss, 3 * (normaliser - 1.5) + 0.5 * (normaliser + 0.25), 1e-12);
  EXPECT_EQ(weights, (std::vector<float>{-1.5F, -0.25F}));
  EXPECT_NEAR(terms[0].factor(1, 0), 0.5 * 3.5 * std::exp(-1.0) / 5, 1e-7);

  const std::vector<float> one_score{1.5F};
  const std::vector<float> one_time{3};
  const std::vector<std::uint32_t> one{0, 1};
  std::vector<float> weight(1);
  backend().statistics.terms(SoftmaxLoss{0.5F, false}, all, {one_score, one, weight, one_time}, terms);
  const double others = 5 * std::exp(2.0);
  const double total = others + std::exp(1.5);
  EXPECT_NEAR(terms[0].loss, 3 * (std::log(total) - 1.5), 1e-12);
  EXPECT_NEAR(weight[0], -3 * 0.5 * others / total, 1e-6);
  EXPECT_NEAR(terms[0].factor(1, 0), 3 * 0.5 * std::exp(1.0) / total, 1e-6);
}

}  // namespace
}  // namespace tessera::kernels::testing
