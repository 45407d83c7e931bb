// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <cmath>

namespace tessera::kernels::reference {
namespace {

/// One row of the contract, in double.
struct RowResult {
  double loss;
  double target_weight;
};

RowResult cross_entropy_row(std::span<float> logits, double target, double shift, double scale) {
  double highest = target;
  for (const float logit : logits) highest = std::fmax(highest, logit + shift);
  double others = 0;
  for (const float logit : logits) others += std::exp(logit + shift - highest);
  const double total = std::exp(target - highest) + others;
  for (float& logit : logits) logit = static_cast<float>(scale * std::exp(logit + shift - highest) / total);
  return {std::log(total) - (target - highest), scale * -(others / total)};  // p_target - 1 = -others / total
}

class ReferenceSoftmax final : public Softmax {
 public:
  void cross_entropy(Matrix logits, std::span<const float> target_scores, float shift, float scale,
                     std::span<float> losses, std::span<float> target_weights) const override {
    detail::check_softmax(logits, target_scores, losses, target_weights);
    for (std::size_t i = 0; i < logits.rows; ++i) {
      const RowResult result = cross_entropy_row({logits.row(i), logits.cols}, target_scores[i], shift, scale);
      losses[i] = static_cast<float>(result.loss);
      target_weights[i] = static_cast<float>(result.target_weight);
    }
  }
};

}  // namespace

const Softmax& softmax() {
  static const ReferenceSoftmax instance;
  return instance;
}

}  // namespace tessera::kernels::reference
