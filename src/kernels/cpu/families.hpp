// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

// The SIMD implementation of each family; one source file each. They live as long as the program.
namespace tessera::kernels::cpu {

const Scores& scores();
const Gradients& gradients();
const Softmax& softmax();
const Rows& rows();
const Updates& updates();
const Ranks& ranks();
const Distances& distances();

/// Those of products in bfloat16, where has_bfloat16_products() (targets.hpp).
const Scores& bfloat16_scores();
const Gradients& bfloat16_gradients();

}  // namespace tessera::kernels::cpu
