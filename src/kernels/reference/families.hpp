// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

// The serial implementation of each family; one source file each. They live as long as the program.
namespace tessera::kernels::reference {

const Scores& scores();
const Gradients& gradients();
const Softmax& softmax();
const Rows& rows();
const Updates& updates();
const Ranks& ranks();
const Composition& composition();
const Penalties& penalties();
const Targets& targets();
const Statistics& statistics();
const NegativeLosses& negative_losses();
const Distances& distances();
const BestRows& best_rows();

/// Similarity of two vectors of `dim` reals, as one chain.
float similarity_of(Similarity similarity, const float* query, const float* row, std::size_t dim);

}  // namespace tessera::kernels::reference
