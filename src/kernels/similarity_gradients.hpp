// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

// From weights d loss / d score to gradients of query vectors and rows, for every similarity. Weights [b, n] belong to
// scores of queries [b, d] against rows [n, d]; of kNegativeL2 they are coefficients (Distances::to_coefficients).
namespace tessera::kernels {

/// out[i] = sum_j d score(q_i, e_j) / d q_i * weights[i][j].
template <Space kSpace>
void gradients_to_queries(const BasicBackend<kSpace>& by, Similarity similarity, BasicConstMatrix<kSpace> weights,
                          BasicConstMatrix<kSpace> queries, BasicConstMatrix<kSpace> rows, BasicMatrix<kSpace> out) {
  if (similarity == Similarity::kDot) return by.gradients.to_queries(weights, rows, out);
  by.distances.to_queries(similarity, weights, queries, rows, out);
}

/// out[j] = sum_i d score(q_i, e_j) / d e_j * weights[i][j].
template <Space kSpace>
void gradients_to_rows(const BasicBackend<kSpace>& by, Similarity similarity, BasicConstMatrix<kSpace> weights,
                       BasicConstMatrix<kSpace> queries, BasicConstMatrix<kSpace> rows, BasicMatrix<kSpace> out) {
  if (similarity == Similarity::kDot) return by.gradients.to_rows(weights, queries, out);
  by.distances.to_rows(similarity, weights, queries, rows, out);
}

}  // namespace tessera::kernels
