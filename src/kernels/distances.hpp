// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/matrix.hpp"

#include <cstdint>
#include <type_traits>

namespace tessera::kernels {

/// How a query vector q and an entity row e give a score; larger is better.
enum class Similarity : std::uint8_t {
  kDot,         ///< sum_k q[k] e[k]
  kNegativeL1,  ///< -sum_k |q[k] - e[k]|
  kNegativeL2,  ///< -sqrt(sum_k (q[k] - e[k])^2)
};

/// 1, 0 or -1; 0 of NaN.
TESSERA_HOST_DEVICE inline float sign(float x) {
  return static_cast<float>(static_cast<int>(x > 0) - static_cast<int>(x < 0));
}

/// Of a weight of kNegativeL2: what q - e is multiplied with to give the gradient of q. At distance 0 there is none.
TESSERA_HOST_DEVICE inline float l2_coefficient(float weight, float score) { return score < 0 ? weight / score : 0.0F; }

/// Calls body(constant) with the similarity as a constant.
template <class Body>
void with_similarity(Similarity similarity, const Body& body) {
  switch (similarity) {
    case Similarity::kDot: return body(std::integral_constant<Similarity, Similarity::kDot>());
    case Similarity::kNegativeL1: return body(std::integral_constant<Similarity, Similarity::kNegativeL1>());
    case Similarity::kNegativeL2: return body(std::integral_constant<Similarity, Similarity::kNegativeL2>());
  }
}

/// One element of the gradients of a pair.
struct PairGradient {
  float query;
  float row;
};

template <Similarity kSimilarity>
TESSERA_HOST_DEVICE PairGradient pair_gradient(float weight, float score, float query, float row) {
  if constexpr (kSimilarity == Similarity::kDot) return {weight * row, weight * query};
  if constexpr (kSimilarity == Similarity::kNegativeL1) {
    const float slope = weight * sign(query - row);
    return {-slope, slope};
  }
  const float coefficient = l2_coefficient(weight, score);
  return {coefficient * (query - row), coefficient * (row - query)};
}

/// Gradients of distances, which need more than the products of Gradients. Weights [b, n] belong to the scores of
/// queries [b, d] against rows [n, d]; for kNegativeL2 they are coefficients. Chains in index order, from zero.
template <Space kSpace>
class BasicDistances {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  virtual ~BasicDistances() = default;
  /// weights[i][j] = l2_coefficient(weights[i][j], scores[i][j]).
  virtual void to_coefficients(ConstMatrix scores, Matrix weights) const = 0;
  /// out[i] = sum_j of the gradient of q_i in the score of (i, j). kNegativeL1: a chain of additions. kNegativeL2:
  /// (sum_j w_ij) q_i, a chain of additions, less the chain of fused multiply-adds sum_j w_ij e_j. Not kDot.
  virtual void to_queries(Similarity similarity, ConstMatrix weights, ConstMatrix queries, ConstMatrix rows,
                          Matrix out) const = 0;
  /// out[j] likewise, of e_j over i.
  virtual void to_rows(Similarity similarity, ConstMatrix weights, ConstMatrix queries, ConstMatrix rows,
                       Matrix out) const = 0;
  /// Pairs (i, i) with weights and scores of their own, any similarity: adds to query_gradients, overwrites
  /// row_gradients; all [b, d].
  virtual void pairs(Similarity similarity, Vector<const float> weights, Vector<const float> scores,
                     ConstMatrix queries, ConstMatrix rows, Matrix query_gradients, Matrix row_gradients) const = 0;
};

}  // namespace tessera::kernels
