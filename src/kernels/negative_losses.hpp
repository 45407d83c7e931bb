// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/matrix.hpp"

#include <cmath>
#include <variant>

namespace tessera::kernels {

/// A negative's part of the loss of its query, and the weight of its score: scale * d loss / d score.
struct NegativeTerm {
  double loss;
  float weight;
  bool counts;
};

TESSERA_HOST_DEVICE inline float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

/// -log sigmoid(x), computed stably.
TESSERA_HOST_DEVICE inline float negative_log_sigmoid(float x) {
  const float linear = -x < 0.0F ? 0.0F : -x;  // NaN stays
  return linear + std::log1p(std::exp(-std::fabs(x)));
}

/// mean_j max(0, margin + s_j - t) over the negatives' scores s and the target's t (Bordes et al., 2013).
struct MarginLoss {
  float margin = 1;
  float scale = 1;

  /// The weight of one of `count` negatives if it violates the margin.
  [[nodiscard]] TESSERA_HOST_DEVICE float each(std::size_t count) const { return scale / static_cast<float>(count); }
  [[nodiscard]] TESSERA_HOST_DEVICE NegativeTerm term(float score, float target, float each) const {
    const float violation = margin + score - target;
    const bool counts = !(violation <= 0);  // NaN must reach the loss
    return {counts ? static_cast<double>(violation) : 0.0, counts ? each : 0.0F, counts};
  }
};

/// -log sigmoid(margin + t) - sum_j p_j log sigmoid(-margin - s_j), p = softmax(temperature s) taken as constant (Sun
/// et al., ICLR 2019).
struct SelfAdversarialLoss {
  float margin = 1;
  float temperature = 1;
  float scale = 1;

  /// Whether a negative counts for nothing.
  TESSERA_HOST_DEVICE static bool is_masked(float score) { return score == -INFINITY; }
  /// Scores are lowered by this before exp takes them: the maximum, or 0 where the maximum is infinite.
  TESSERA_HOST_DEVICE static float reference(float maximum) { return std::fabs(maximum) == INFINITY ? 0.0F : maximum; }
  [[nodiscard]] TESSERA_HOST_DEVICE double power(float score, float reference) const {
    return is_masked(score) ? 0.0 : static_cast<double>(std::exp(temperature * (score - reference)));
  }
  /// `total` is the sum of all powers.
  [[nodiscard]] TESSERA_HOST_DEVICE NegativeTerm term(float score, float reference, double total) const {
    if (is_masked(score)) return {0, 0, false};
    const auto p = static_cast<float>(power(score, reference) / total);
    return {static_cast<double>(p * negative_log_sigmoid(-margin - score)), scale * p * sigmoid(margin + score), true};
  }
  [[nodiscard]] TESSERA_HOST_DEVICE double target_loss(float target) const {
    return static_cast<double>(negative_log_sigmoid(margin + target));
  }
  [[nodiscard]] TESSERA_HOST_DEVICE float target_weight(float target) const {
    return -scale * sigmoid(-margin - target);
  }
};

/// Scores of the targets of b queries; a loss writes its value for each, and the weight of the target's score.
template <Space kSpace>
struct BasicTargetLosses {
  Vector<kSpace, const float> scores;
  Vector<kSpace, float> losses;
  Vector<kSpace, float> weights;
  Vector<kSpace, const float> priors = {};  ///< added to the scores, in the softmax alone; empty: none
  /// What the loss of each query, and with it its weights, is multiplied by; empty: 1.
  Vector<kSpace, const float> times = {};
  /// `value` as query i counts.
  [[nodiscard]] TESSERA_HOST_DEVICE float count(std::size_t i, float value) const {
    return times.empty() ? value : value * times[i];
  }
};

/// A loss of one target against sampled negatives.
using SampledLoss = std::variant<MarginLoss, SelfAdversarialLoss>;

template <Space kSpace>
class BasicNegativeLosses {
 public:
  virtual ~BasicNegativeLosses() = default;
  /// Turns scores [b, n] of negatives into weights, and finds the losses, which are not scaled. A negative of -infinity
  /// counts for nothing. The sums of a row are chains in double, in the order of the negatives. Bits depend on the
  /// platform's exp and log1p.
  virtual void weigh(const SampledLoss& of, BasicMatrix<kSpace> scores,
                     const BasicTargetLosses<kSpace>& targets) const = 0;
};

}  // namespace tessera::kernels
