// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/similarity_gradients.hpp"

#include <algorithm>

namespace tessera::model {
namespace {

using kernels::ConstMatrix;
using kernels::Matrix;
using kernels::Similarity;

float sign(float x) { return static_cast<float>((x > 0) - (x < 0)); }

// out[i] <- sum_j w_ij q_i - out[i], given out[i] = sum_j w_ij e_j.
void finish_l2_queries(ConstMatrix coefficients, ConstMatrix queries, Matrix out) {
  for (std::size_t i = 0; i < out.rows; ++i) {
    float sum = 0;
    for (std::size_t j = 0; j < coefficients.cols; ++j) sum += coefficients.row(i)[j];
    for (std::size_t k = 0; k < out.cols; ++k) out.row(i)[k] = sum * queries.row(i)[k] - out.row(i)[k];
  }
}

// out[j] <- sum_i w_ij e_j - out[j], given out[j] = sum_i w_ij q_i.
void finish_l2_rows(ConstMatrix coefficients, ConstMatrix rows, Matrix out) {
  for (std::size_t j = 0; j < out.rows; ++j) {
    float sum = 0;
    for (std::size_t i = 0; i < coefficients.rows; ++i) sum += coefficients.row(i)[j];
    for (std::size_t k = 0; k < out.cols; ++k) out.row(j)[k] = sum * rows.row(j)[k] - out.row(j)[k];
  }
}

void l1_queries(ConstMatrix weights, ConstMatrix queries, ConstMatrix rows, Matrix out) {
  for (std::size_t i = 0; i < out.rows; ++i) {
    std::fill_n(out.row(i), out.cols, 0.0F);
    for (std::size_t j = 0; j < rows.rows; ++j) {
      const float w = weights.row(i)[j];
      for (std::size_t k = 0; k < out.cols; ++k) out.row(i)[k] -= w * sign(queries.row(i)[k] - rows.row(j)[k]);
    }
  }
}

void l1_rows(ConstMatrix weights, ConstMatrix queries, ConstMatrix rows, Matrix out) {
  for (std::size_t j = 0; j < out.rows; ++j) {
    std::fill_n(out.row(j), out.cols, 0.0F);
    for (std::size_t i = 0; i < queries.rows; ++i) {
      const float w = weights.row(i)[j];
      for (std::size_t k = 0; k < out.cols; ++k) out.row(j)[k] += w * sign(queries.row(i)[k] - rows.row(j)[k]);
    }
  }
}

}  // namespace

void to_coefficients(Similarity similarity, ConstMatrix scores, Matrix weights) {
  if (similarity != Similarity::kNegativeL2) return;
  for (std::size_t i = 0; i < weights.rows; ++i)
    for (std::size_t j = 0; j < weights.cols; ++j) {
      const float score = scores.row(i)[j];
      weights.row(i)[j] = score < 0 ? weights.row(i)[j] / score : 0;
    }
}

void gradients_to_queries(const kernels::Backend& backend, Similarity similarity, ConstMatrix coefficients,
                          ConstMatrix queries, ConstMatrix rows, Matrix out) {
  if (similarity == Similarity::kNegativeL1) return l1_queries(coefficients, queries, rows, out);
  backend.gradients.to_queries(coefficients, rows, out);
  if (similarity == Similarity::kNegativeL2) finish_l2_queries(coefficients, queries, out);
}

void gradients_to_rows(const kernels::Backend& backend, Similarity similarity, ConstMatrix coefficients,
                       ConstMatrix queries, ConstMatrix rows, Matrix out) {
  if (similarity == Similarity::kNegativeL1) return l1_rows(coefficients, queries, rows, out);
  backend.gradients.to_rows(coefficients, queries, out);
  if (similarity == Similarity::kNegativeL2) finish_l2_rows(coefficients, rows, out);
}

void pair_gradient(Similarity similarity, float weight, float score, const float* query, const float* row,
                   std::size_t dim, float* query_gradient, float* row_gradient) {
  const float over = similarity == Similarity::kNegativeL2 ? (score < 0 ? weight / score : 0) : weight;
  for (std::size_t k = 0; k < dim; ++k) {
    switch (similarity) {
      case Similarity::kDot:
        query_gradient[k] += weight * row[k];
        row_gradient[k] = weight * query[k];
        break;
      case Similarity::kNegativeL1:
        query_gradient[k] -= weight * sign(query[k] - row[k]);
        row_gradient[k] = weight * sign(query[k] - row[k]);
        break;
      case Similarity::kNegativeL2:
        query_gradient[k] += over * (query[k] - row[k]);
        row_gradient[k] = over * (row[k] - query[k]);
        break;
    }
  }
}

}  // namespace tessera::model
