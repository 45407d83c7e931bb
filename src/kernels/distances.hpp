// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/matrix.hpp"

#include <cstdint>
#include <type_traits>

namespace tessera::kernels {

/// The score of a query vector q and an entity row e; larger is better.
enum class Similarity : std::uint8_t {
  kDot,         ///< sum_k q[k] e[k]
  kNegativeL1,  ///< -sum_k |q[k] - e[k]|
  kNegativeL2,  ///< -sqrt(sum_k (q[k] - e[k])^2)
};

/// Gives 1, 0 or -1, and 0 for NaN.
TESSERA_HOST_DEVICE inline float sign(float x) {
  return static_cast<float>(static_cast<int>(x > 0) - static_cast<int>(x < 0));
}

/// The coefficient of a weight of kNegativeL2: q - e times it is the gradient of q. A pair at distance 0 has none.
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

/// Weights [b, n] of the scores of queries [b, d] against rows [n, d].
template <Space kSpace>
struct BasicWeightedScores {
  BasicConstMatrix<kSpace> weights;
  BasicConstMatrix<kSpace> queries;
  BasicConstMatrix<kSpace> rows;
};

/// Pairs (queries[i], rows[i]), each with the weight of its score and the score; both matrices [b, d].
template <Space kSpace>
struct BasicWeightedPairs {
  Vector<kSpace, const float> weights;
  Vector<kSpace, const float> scores;
  BasicConstMatrix<kSpace> queries;
  BasicConstMatrix<kSpace> rows;
};

/// Gradients of distances, which need more than the products of Gradients. The weights of kNegativeL2 are coefficients.
/// Every chain begins at zero.
template <Space kSpace>
class BasicDistances {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  using WeightedScores = BasicWeightedScores<kSpace>;
  using WeightedPairs = BasicWeightedPairs<kSpace>;
  virtual ~BasicDistances() = default;
  /// weights[i][j] = l2_coefficient(weights[i][j], scores[i][j]).
  virtual void to_coefficients(ConstMatrix scores, Matrix weights) const = 0;
  /// out[i] = sum_j of the gradient of q_i in the score of (i, j). kNegativeL1 adds in a chain. kNegativeL2 gives
  /// (sum_j w_ij) q_i, the sum being a chain of additions, less sum_j w_ij e_j, a chain of fused multiply-adds. kDot is
  /// refused.
  virtual void to_queries(Similarity similarity, const WeightedScores& of, Matrix out) const = 0;
  /// out[j] = sum_i of the gradient of e_j in the score of (i, j), by the same chains.
  virtual void to_rows(Similarity similarity, const WeightedScores& of, Matrix out) const = 0;
  /// Gradients of pairs for any similarity: adds to query_gradients and overwrites row_gradients, both [b, d].
  virtual void pairs(Similarity similarity, const WeightedPairs& of, Matrix query_gradients,
                     Matrix row_gradients) const = 0;
};

}  // namespace tessera::kernels
