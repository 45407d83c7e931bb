// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <cmath>

namespace tessera::kernels::reference {
namespace {

/// One element of a gradient over `count` vectors of the other side. The own vector has `own` there; weight(s) and
/// other(s) belong to vector s. The slope of L1 is sign(other - own).
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

  void to_queries(Similarity similarity, const WeightedScores& of, Matrix out) const override {
    detail::check_distance_gradients(similarity, of, of.queries, out);
    for (std::size_t i = 0; i < out.rows; ++i)
      for (std::size_t c = 0; c < out.cols; ++c)
        out.row(i)[c] = gradient(
            similarity, of.queries.row(i)[c], of.rows.rows, [&](std::size_t j) { return of.weights.row(i)[j]; },
            [&](std::size_t j) { return of.rows.row(j)[c]; });
  }

  void to_rows(Similarity similarity, const WeightedScores& of, Matrix out) const override {
    detail::check_distance_gradients(similarity, of, of.rows, out);
    for (std::size_t j = 0; j < out.rows; ++j)
      for (std::size_t c = 0; c < out.cols; ++c)
        out.row(j)[c] = gradient(
            similarity, of.rows.row(j)[c], of.queries.rows, [&](std::size_t i) { return of.weights.row(i)[j]; },
            [&](std::size_t i) { return of.queries.row(i)[c]; });
  }

  void pairs(Similarity similarity, const WeightedPairs& of, Matrix query_gradients,
             Matrix row_gradients) const override {
    detail::check_pair_gradients(of, query_gradients, row_gradients);
    with_similarity(similarity, [&]<Similarity kOf>(std::integral_constant<Similarity, kOf>) {
      for (std::size_t i = 0; i < of.rows.rows; ++i)
        for (std::size_t c = 0; c < of.rows.cols; ++c) {
          const PairGradient pair =
              pair_gradient<kOf>(of.weights[i], of.scores[i], of.queries.row(i)[c], of.rows.row(i)[c]);
          query_gradients.row(i)[c] += pair.query;
          row_gradients.row(i)[c] = pair.row;
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
