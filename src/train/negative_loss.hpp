// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "kernels/backend.hpp"

#include <span>

namespace tessera::train {

enum class LossKind {
  kSoftmax,          ///< softmax cross entropy
  kBinary,           ///< binary cross entropy of every entity (KvsAll); only where queries are moved
  kMargin,           ///< mean_j max(0, margin + s_j - t) (Bordes et al., 2013)
  kSelfAdversarial,  ///< -log sigmoid(margin + t) - sum_j p_j log sigmoid(-margin - s_j), p = softmax(temperature s)
                     ///< taken as constant (Sun et al., ICLR 2019)
};
LossKind find_loss(const std::string& name);

/// The loss of one target against sampled negatives.
struct NegativeLoss {
  LossKind kind = LossKind::kSoftmax;
  float shift = 0;  ///< softmax: added to every negative's score, log of how many entities it stands for
  float margin = 0;
  float temperature = 0;

  /// scores [b, K] of negatives become scale * d loss / d score; likewise target_scores -> target_weights; losses [b]
  /// are not scaled. A negative of -infinity counts for nothing.
  void apply(const kernels::Backend& backend, kernels::Matrix scores, std::span<const float> target_scores, float scale,
             std::span<float> losses, std::span<float> target_weights) const;
};

}  // namespace tessera::train
