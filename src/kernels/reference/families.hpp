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

/// A row in groups with codes of `bits` bits (grouped_codes.hpp). Of 8 bits, a scale is the largest magnitude of its
/// group / 127. Of 4 bits, it is one that makes the sum of the squares of the errors small: the best of a list, then
/// the least squares of its codes. A group with an element that is not finite has a scale that is not.
void encode_groups(const float* in, std::size_t cols, std::size_t bits, std::byte* row);
void decode_groups(const std::byte* row, std::size_t cols, std::size_t bits, float* out);

/// Similarity of two vectors of `dim` reals, as one chain.
float similarity_of(Similarity similarity, const float* query, const float* row, std::size_t dim);

}  // namespace tessera::kernels::reference
