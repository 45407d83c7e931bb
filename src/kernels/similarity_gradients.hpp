// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

// Gradients of query vectors and rows from weights d loss / d score, for every similarity. The weights of kNegativeL2
// are coefficients (Distances::to_coefficients).
namespace tessera::kernels {

/// out[i] = sum_j d score(q_i, e_j) / d q_i * weights[i][j].
template <Space kSpace>
void gradients_to_queries(const BasicBackend<kSpace>& by, Similarity similarity, const BasicWeightedScores<kSpace>& of,
                          BasicMatrix<kSpace> out) {
  if (similarity == Similarity::kDot) return by.gradients.to_queries(of.weights, of.rows, out);
  by.distances.to_queries(similarity, of, out);
}

/// out[j] = sum_i d score(q_i, e_j) / d e_j * weights[i][j].
template <Space kSpace>
void gradients_to_rows(const BasicBackend<kSpace>& by, Similarity similarity, const BasicWeightedScores<kSpace>& of,
                       BasicMatrix<kSpace> out) {
  if (similarity == Similarity::kDot) return by.gradients.to_rows(of.weights, of.queries, out);
  by.distances.to_rows(similarity, of, out);
}

}  // namespace tessera::kernels
