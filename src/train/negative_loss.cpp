// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/negative_loss.hpp"

namespace tessera::train {

LossKind find_loss(const std::string& name) {
  if (name == "softmax") return LossKind::kSoftmax;
  if (name == "bce") return LossKind::kBinary;
  if (name == "margin") return LossKind::kMargin;
  if (name == "self_adversarial") return LossKind::kSelfAdversarial;
  fail(ExitStatus::kUsage, "loss '{}' is not known; it is one of: softmax, bce, margin, self_adversarial", name);
}

}  // namespace tessera::train
