// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"

#include <cstddef>
#include <cstdint>

// The counts of Ranks::count from approximate dot products. A score decides where its error cannot matter; the chain
// scores the other pairs again.
namespace tessera::kernels {

/// The f of |approximate - chain| <= f * norm(q) * norm(e) for dot products of `dim` elements, norms being those of
/// ScreenedRanks::norms(). `operand_roundoff` bounds the relative error of an operand that is rounded before it is
/// multiplied; products are exact and sums in fp32, in any order, whether they are rounded or cut off.
float score_error_factor(double operand_roundoff, std::size_t dim);

/// Queries [b, d] whose targets are compared with rows [n, d]; b * n < 2^32.
template <Space kSpace>
struct BasicRankTile {
  BasicConstMatrix<kSpace> queries;
  BasicConstMatrix<kSpace> rows;
  Vector<kSpace, const float> target_scores;  ///< [b]
};

/// Approximate dot products of a tile, and what bounds their error.
template <Space kSpace>
struct BasicApproximateScores {
  BasicConstMatrix<kSpace> scores;          ///< [b, n]
  Vector<kSpace, const float> query_norms;  ///< [b]
  Vector<kSpace, const float> row_norms;    ///< [n]
  float error_factor;                       ///< score_error_factor()
};

/// Memory for one tile at a time. Its content before a call does not matter.
template <Space kSpace>
struct BasicScreenScratch {
  Vector<kSpace, std::uint32_t> queries;    ///< [capacity], of undecided pairs
  Vector<kSpace, std::uint32_t> rows;       ///< [capacity]
  Vector<kSpace, std::uint32_t> n_greater;  ///< [b or more]
  Vector<kSpace, std::uint32_t> undecided;  ///< [1]
};

/// The pairs that the approximation did not decide, counted over tiles.
struct ScreeningCost {
  std::uint64_t rescored = 0;   ///< pairs scored again one by one
  std::uint64_t recounted = 0;  ///< pairs of tiles whose list had no room for all undecided pairs
};

/// Counts of b queries, which calls add to.
template <Space kSpace>
struct BasicRankCounts {
  Vector<kSpace, std::uint32_t> n_greater;
  Vector<kSpace, std::uint32_t> n_equal;
};

/// On a device calls are enqueued, as in other families.
template <Space kSpace>
class BasicScreenedRanks {
 public:
  virtual ~BasicScreenedRanks() = default;
  /// out[i] = the Euclidean norm of rows[i], rounded up, and a little more (tiny_norm()) for products that underflow.
  virtual void norms(BasicConstMatrix<kSpace> rows, Vector<kSpace, float> out) const = 0;
  /// Adds to `counts` what Ranks::count of kDot adds, the same numbers whatever the approximation is, as long as its
  /// error is below its bound. A tile with more undecided pairs than the scratch has room for is counted by the chain.
  /// Adds the undecided pairs to cost[0].
  virtual void count(const BasicRankTile<kSpace>& tile, const BasicApproximateScores<kSpace>& approximate,
                     const BasicScreenScratch<kSpace>& scratch, const BasicRankCounts<kSpace>& counts,
                     Vector<kSpace, ScreeningCost> cost) const = 0;
};

using RankTile = BasicRankTile<Space::kHost>;
using ApproximateScores = BasicApproximateScores<Space::kHost>;
using ScreenScratch = BasicScreenScratch<Space::kHost>;
using RankCounts = BasicRankCounts<Space::kHost>;
using ScreenedRanks = BasicScreenedRanks<Space::kHost>;

}  // namespace tessera::kernels
