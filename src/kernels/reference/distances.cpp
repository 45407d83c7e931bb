// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <cmath>

namespace tessera::kernels::reference {
namespace {

/// One element of a gradient over `count` vectors of the other side: own is x, weight(s) and other(s) belong to
/// vector s. d similarity / dx of L1 is sign(other - x).
template <class Weight, class Other>
float gradient(Similarity similarity, float own, std::size_t count, const Weight& weight, const Other& other) {
  float sum = 0;
  float product = 0;
  for (std::size_t s = 0; s < count; ++s) {
    if (similarity == Similarity::kNegativeL1) {
      sum += weight(s) * sign(other(s) - own);
    } else {
      sum += weight(s);
      product = std::fma(weight(s), other(s), product);
    }
  }
  return similarity == Similarity::kNegativeL1 ? sum : sum * own - product;
}

class ReferenceDistances final : public Distances {
 public:
  void to_coefficients(ConstMatrix scores, Matrix weights) const override {
    detail::check_same_shape(scores, weights);
    for (std::size_t i = 0; i < weights.rows; ++i)
      for (std::size_t j = 0; j < weights.cols; ++j)
        weights.row(i)[j] = l2_coefficient(weights.row(i)[j], scores.row(i)[j]);
  }

  void to_queries(Similarity similarity, ConstMatrix weights, ConstMatrix queries, ConstMatrix rows,
                  Matrix out) const override {
    detail::check_distance_gradients(similarity, weights, queries, rows, queries, out);
    for (std::size_t i = 0; i < out.rows; ++i)
      for (std::size_t c = 0; c < out.cols; ++c)
        out.row(i)[c] = gradient(
            similarity, queries.row(i)[c], rows.rows, [&](std::size_t j) { return weights.row(i)[j]; },
            [&](std::size_t j) { return rows.row(j)[c]; });
  }

  void to_rows(Similarity similarity, ConstMatrix weights, ConstMatrix queries, ConstMatrix rows,
               Matrix out) const override {
    detail::check_distance_gradients(similarity, weights, queries, rows, rows, out);
    for (std::size_t j = 0; j < out.rows; ++j)
      for (std::size_t c = 0; c < out.cols; ++c)
        out.row(j)[c] = gradient(
            similarity, rows.row(j)[c], queries.rows, [&](std::size_t i) { return weights.row(i)[j]; },
            [&](std::size_t i) { return queries.row(i)[c]; });
  }

  void pairs(Similarity similarity, std::span<const float> weights, std::span<const float> scores, ConstMatrix queries,
             ConstMatrix rows, Matrix query_gradients, Matrix row_gradients) const override {
    detail::check_pair_gradients(weights, scores, queries, rows, query_gradients, row_gradients);
    with_similarity(similarity, [&]<Similarity kOf>(std::integral_constant<Similarity, kOf>) {
      for (std::size_t i = 0; i < rows.rows; ++i)
        for (std::size_t c = 0; c < rows.cols; ++c) {
          const PairGradient of = pair_gradient<kOf>(weights[i], scores[i], queries.row(i)[c], rows.row(i)[c]);
          query_gradients.row(i)[c] += of.query;
          row_gradients.row(i)[c] = of.row;
        }
    });
  }
};

}  // namespace

const Distances& distances() {
  static const ReferenceDistances instance;
  return instance;
}

}  // namespace tessera::kernels::reference
