// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>

namespace tessera::kernels::reference {
namespace {

/// The results of a row besides its weights.
struct RowResult {
  float loss;
  float target_weight;
};

RowResult weigh_row(const MarginLoss& of, std::span<float> scores, float target) {
  const float each = of.each(scores.size());
  double loss = 0;
  std::size_t active = 0;
  for (float& score : scores) {
    const NegativeTerm term = of.term(score, target, each);
    loss += term.loss;
    active += term.counts ? 1 : 0;
    score = term.weight;
  }
  return {static_cast<float>(loss / static_cast<double>(scores.size())), -each * static_cast<float>(active)};
}

RowResult weigh_row(const SelfAdversarialLoss& of, std::span<float> scores, float target) {
  float maximum = -INFINITY;
  for (const float score : scores) maximum = std::max(maximum, score);
  const float reference = SelfAdversarialLoss::reference(maximum);
  double total = 0;
  for (const float score : scores) total += of.power(score, reference);
  double loss = of.target_loss(target);
  for (float& score : scores) {
    const NegativeTerm term = of.term(score, reference, total);
    if (term.counts) loss += term.loss;
    score = term.weight;
  }
  return {static_cast<float>(loss), of.target_weight(target)};
}

class ReferenceNegativeLosses final : public NegativeLosses {
 public:
  void weigh(const SampledLoss& loss, Matrix scores, const TargetLosses& targets) const override {
    detail::check_negatives(scores, targets);
    std::visit(
        [&](const auto& of) {
          for (std::size_t i = 0; i < scores.rows; ++i) {
            auto of_query = of;
            of_query.scale = targets.count(i, of.scale);
            const RowResult result = weigh_row(of_query, {scores.row(i), scores.cols}, targets.scores[i]);
            targets.losses[i] = targets.count(i, result.loss);
            targets.weights[i] = result.target_weight;
          }
        },
        loss);
  }
};

}  // namespace

const NegativeLosses& negative_losses() {
  static const ReferenceNegativeLosses instance;
  return instance;
}

}  // namespace tessera::kernels::reference
