// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/negative_loss.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::train {
namespace {

struct RowResult {
  float loss;
  float target_weight;
};

float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

// -log sigmoid(x)
float softplus_of_negative(float x) { return std::max(-x, 0.0F) + std::log1p(std::exp(-std::fabs(x))); }

RowResult margin_row(std::span<float> scores, float target, float margin, float scale) {
  const float each = scale / static_cast<float>(scores.size());
  double loss = 0;
  std::size_t active = 0;
  for (float& score : scores) {
    const float violation = margin + score - target;
    const bool counts = !(violation <= 0);  // NaN must reach the loss
    if (counts) loss += static_cast<double>(violation);
    active += counts ? 1 : 0;
    score = counts ? each : 0.0F;
  }
  return {static_cast<float>(loss / static_cast<double>(scores.size())), -each * static_cast<float>(active)};
}

RowResult self_adversarial_row(std::span<float> scores, float target, float margin, float temperature, float scale) {
  float highest = *std::max_element(scores.begin(), scores.end());
  if (std::isinf(highest)) highest = 0;  // no negative counts
  double total = 0;
  for (const float score : scores) total += static_cast<double>(std::exp(temperature * (score - highest)));
  double loss = static_cast<double>(softplus_of_negative(margin + target));
  for (float& score : scores) {
    if (std::isinf(score) && score < 0) {
      score = 0;
      continue;
    }
    const auto p = static_cast<float>(static_cast<double>(std::exp(temperature * (score - highest))) / total);
    loss += static_cast<double>(p * softplus_of_negative(-margin - score));
    score = scale * p * sigmoid(margin + score);
  }
  return {static_cast<float>(loss), -scale * sigmoid(-margin - target)};
}

}  // namespace

LossKind find_loss(const std::string& name) {
  if (name == "softmax") return LossKind::kSoftmax;
  if (name == "bce") return LossKind::kBinary;
  if (name == "margin") return LossKind::kMargin;
  if (name == "self_adversarial") return LossKind::kSelfAdversarial;
  fail(ExitStatus::kUsage, "loss '{}' is not known; it is one of: softmax, bce, margin, self_adversarial", name);
}

void NegativeLoss::apply(const kernels::Backend& backend, kernels::Matrix scores, std::span<const float> target_scores,
                         float scale, std::span<float> losses, std::span<float> target_weights) const {
  TESSERA_ASSERT(kind != LossKind::kBinary, "binary cross entropy has no negatives");
  if (kind == LossKind::kSoftmax)
    return backend.softmax.cross_entropy(scores, target_scores, shift, scale, losses, target_weights);
  for (std::size_t i = 0; i < scores.rows; ++i) {
    const std::span<float> row(scores.row(i), scores.cols);
    const RowResult result = kind == LossKind::kMargin
                                 ? margin_row(row, target_scores[i], margin, scale)
                                 : self_adversarial_row(row, target_scores[i], margin, temperature, scale);
    losses[i] = result.loss;
    target_weights[i] = result.target_weight;
  }
}

}  // namespace tessera::train
