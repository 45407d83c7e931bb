// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

#include <span>

/// From weights d loss / d score to gradients of query vectors and rows, for every similarity. Weights [b, n] belong to
/// scores of queries [b, d] against rows [n, d]. Serial; no allocation.
namespace tessera::model {

/// Turns weights of scores into coefficients of (q - e): for kNegativeL2 divides by the scores (0 stays 0), for the
/// others nothing. `scores` [b, n] may be empty unless the similarity is kNegativeL2.
void to_coefficients(kernels::Similarity similarity, kernels::ConstMatrix scores, kernels::Matrix weights);

/// out[i] = sum_j d score(q_i, e_j) / d q_i * weight, from coefficients.
void gradients_to_queries(const kernels::Backend& backend, kernels::Similarity similarity,
                          kernels::ConstMatrix coefficients, kernels::ConstMatrix queries, kernels::ConstMatrix rows,
                          kernels::Matrix out);

/// out[j] = sum_i d score(q_i, e_j) / d e_j * weight, from coefficients.
void gradients_to_rows(const kernels::Backend& backend, kernels::Similarity similarity,
                       kernels::ConstMatrix coefficients, kernels::ConstMatrix queries, kernels::ConstMatrix rows,
                       kernels::Matrix out);

/// One pair with its own weight and score: adds to `query_gradient`, overwrites `row_gradient`.
void pair_gradient(kernels::Similarity similarity, float weight, float score, const float* query, const float* row,
                   std::size_t dim, float* query_gradient, float* row_gradient);

}  // namespace tessera::model
