// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tessera::kernels::reference {
namespace {

/// The results of a row besides its weights; all of them are computed in double.
struct RowResult {
  double loss;
  double target_weight;
};

RowResult cross_entropy_row(std::span<float> logits, double target, double shift, double scale) {
  double maximum = target;
  for (const float logit : logits) maximum = std::fmax(maximum, logit + shift);
  double others = 0;
  for (const float logit : logits) others += std::exp(logit + shift - maximum);
  const double total = std::exp(target - maximum) + others;
  for (float& logit : logits) logit = static_cast<float>(scale * std::exp(logit + shift - maximum) / total);
  return {std::log(total) - (target - maximum), scale * -(others / total)};  // p_target - 1 = -others / total
}

void exponentials_of_tile(std::span<float> logits, float& maximum, float& sum_of_all) {
  maximum = std::numeric_limits<float>::lowest();
  for (const float logit : logits) maximum = std::fmax(maximum, logit);
  double sum = 0;
  for (float& logit : logits) {
    const double power = std::exp(static_cast<double>(logit) - maximum);
    sum += power;
    logit = static_cast<float>(power);
  }
  sum_of_all = static_cast<float>(sum);
}

void logistic_of_tile(std::span<float> logits, float offset, float& softplus, float& sum_of_all) {
  double plus = 0;
  double sum = 0;
  for (float& logit : logits) {
    const double x = logit;
    plus += std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
    sum += x;
    logit = static_cast<float>(1 / (1 + std::exp(-x)) - offset);
  }
  softplus = static_cast<float>(plus);
  sum_of_all = static_cast<float>(sum);
}

class ReferenceSoftmax final : public Softmax {
 public:
  void cross_entropy(Matrix logits, const TargetLosses& targets, float shift, float scale) const override {
    detail::check_losses(logits, targets);
    for (std::size_t i = 0; i < logits.rows; ++i) {
      const double target = targets.priors.empty() ? targets.scores[i] : targets.scores[i] + targets.priors[i];
      const double times = targets.times.empty() ? 1 : targets.times[i];
      const RowResult result = cross_entropy_row({logits.row(i), logits.cols}, target, shift, scale * times);
      targets.losses[i] = static_cast<float>(result.loss * times);
      targets.weights[i] = static_cast<float>(result.target_weight);
    }
  }

  void add_to_columns(std::span<const float> values, Matrix logits) const override {
    detail::check_columns(values, logits);
    for (std::size_t i = 0; i < logits.rows; ++i)
      for (std::size_t j = 0; j < logits.cols; ++j) logits.row(i)[j] += values[j];
  }

  void exponentials(Matrix logits, std::size_t tile, Matrix maxima, Matrix sums) const override {
    detail::check_tile_results(logits, tile, maxima, sums);
    for (std::size_t i = 0; i < logits.rows; ++i)
      for (std::size_t t = 0; t < maxima.cols; ++t) {
        const std::span<float> values(logits.row(i) + t * tile, std::min(tile, logits.cols - t * tile));
        exponentials_of_tile(values, maxima.row(i)[t], sums.row(i)[t]);
      }
  }

  void logistic(Matrix logits, std::size_t tile, float offset, Matrix softplus, Matrix sums) const override {
    detail::check_tile_results(logits, tile, softplus, sums);
    for (std::size_t i = 0; i < logits.rows; ++i)
      for (std::size_t t = 0; t < sums.cols; ++t) {
        const std::span<float> values(logits.row(i) + t * tile, std::min(tile, logits.cols - t * tile));
        logistic_of_tile(values, offset, softplus.row(i)[t], sums.row(i)[t]);
      }
  }
};

}  // namespace

const Softmax& softmax() {
  static const ReferenceSoftmax instance;
  return instance;
}

}  // namespace tessera::kernels::reference
