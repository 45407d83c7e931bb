// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "kernels/backend.hpp"

#include <cstdint>
#include <string>

namespace tessera::train {

enum class LossKind : std::uint8_t {
  kSoftmax,          ///< softmax cross entropy
  kBinary,           ///< binary cross entropy of every entity (KvsAll); only where queries are moved
  kMargin,           ///< kernels::MarginLoss
  kSelfAdversarial,  ///< kernels::SelfAdversarialLoss
};
LossKind find_loss(const std::string& name);

/// The loss of one target against sampled negatives.
struct NegativeLoss {
  LossKind kind = LossKind::kSoftmax;
  float shift = 0;  ///< softmax: added to every negative's score, log of how many entities it stands for
  float margin = 0;
  float temperature = 0;

  /// The scores [b, K] of negatives become scale * d loss / d score. The weights of targets become the same of their
  /// scores. The losses are not scaled. A negative of -infinity counts for nothing.
  template <kernels::Space kSpace>
  void apply(const kernels::BasicBackend<kSpace>& by, kernels::BasicMatrix<kSpace> scores, float scale,
             const kernels::BasicTargetLosses<kSpace>& targets) const {
    switch (kind) {
      case LossKind::kSoftmax: return by.softmax.cross_entropy(scores, targets, shift, scale);
      case LossKind::kMargin: return by.negative_losses.weigh(kernels::MarginLoss{margin, scale}, scores, targets);
      case LossKind::kSelfAdversarial:
        return by.negative_losses.weigh(kernels::SelfAdversarialLoss{margin, temperature, scale}, scores, targets);
      case LossKind::kBinary: break;
    }
    TESSERA_ASSERT(false, "binary cross entropy has no negatives");
  }
};

}  // namespace tessera::train
