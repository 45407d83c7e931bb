// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <cmath>

namespace tessera::kernels::reference {
namespace {

float dot(const float* a, const float* b, std::size_t dim) {
  float sum = 0;
  for (std::size_t k = 0; k < dim; ++k) sum = std::fma(a[k], b[k], sum);
  return sum;
}

float distance_l1(const float* a, const float* b, std::size_t dim) {
  float sum = 0;
  for (std::size_t k = 0; k < dim; ++k) sum += std::fabs(a[k] - b[k]);
  return sum;
}

float distance_l2(const float* a, const float* b, std::size_t dim) {
  float sum = 0;
  for (std::size_t k = 0; k < dim; ++k) {
    const float difference = a[k] - b[k];
    sum = std::fma(difference, difference, sum);
  }
  return std::sqrt(sum);
}

class ReferenceScores final : public Scores {
 public:
  void all_pairs(Similarity similarity, Operand left, Operand right, Matrix out) const override {
    const ConstMatrix& queries = left.matrix;
    const ConstMatrix& rows = right.matrix;
    detail::check_scores(queries, rows, out);
    for (std::size_t i = 0; i < queries.rows; ++i)
      for (std::size_t j = 0; j < rows.rows; ++j)
        out.row(i)[j] = similarity_of(similarity, queries.row(i), rows.row(j), rows.cols);
  }

  void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, std::span<float> out) const override {
    detail::check_pairs(queries, rows, out);
    for (std::size_t i = 0; i < queries.rows; ++i)
      out[i] = similarity_of(similarity, queries.row(i), rows.row(i), rows.cols);
  }
};

}  // namespace

float similarity_of(Similarity similarity, const float* query, const float* row, std::size_t dim) {
  switch (similarity) {
    case Similarity::kDot: return dot(query, row, dim);
    case Similarity::kNegativeL1: return -distance_l1(query, row, dim);
    case Similarity::kNegativeL2: return -distance_l2(query, row, dim);
  }
  fail(ExitStatus::kInternal, "unknown similarity {}", static_cast<int>(similarity));
}

const Scores& scores() {
  static const ReferenceScores instance;
  return instance;
}

}  // namespace tessera::kernels::reference
