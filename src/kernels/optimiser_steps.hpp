// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tessera::kernels {

struct AdagradStep {
  float learning_rate = 0.1F;
  float epsilon = 1e-10F;
};

/// Adam (Kingma and Ba, ICLR 2015) at step t; its numbers include the corrections of the bias.
struct AdamStep {
  float rate;         ///< learning rate / (1 - beta1^t)
  float root_scale;   ///< 1 / sqrt(1 - beta2^t)
  float mean_gain;    ///< 1 - beta1
  float square_gain;  ///< 1 - beta2
  float epsilon;
};

}  // namespace tessera::kernels
