// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/float_bits.hpp"
#include "kernels/matrix.hpp"
#include "kernels/screened_ranks.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

// Searches the k best rows of every query, tile of scores by tile. The result is exact even from approximate dot
// products: they decide where their error cannot matter.
namespace tessera::kernels {

/// A row and its score as one number, larger being better: the score in order (zeros of both signs alike) in the high
/// 32 bits, then the row, the smaller the better, in 31 bits, then whether the score is -0. No two rows are the same,
/// so that the k best are the same ones in whatever order they are found. 0: no row.
using BestKey = std::uint64_t;

/// Rows are numbered below this.
constexpr std::uint64_t kBestRows = std::uint64_t{1} << 31U;

/// Maps scores to whole numbers of the same order, zeros of both signs to the same one. Only NaN gives 0.
TESSERA_HOST_DEVICE inline std::uint32_t ordered(float score) {
  if (score != score) return 0;
  const std::uint32_t bits = score == 0 ? 0U : float_bits(score);
  return (bits >> 31U) != 0 ? ~bits : bits | 0x80000000U;
}

/// The key of a row, or 0 if its score is NaN: such a row is never an answer.
TESSERA_HOST_DEVICE inline BestKey best_key(float score, std::uint32_t row) {
  if (score != score) return 0;
  const std::uint32_t is_minus_zero = float_bits(score) == 0x80000000U ? 1U : 0U;
  return static_cast<BestKey>(ordered(score)) << 32U | (~(row << 1U) & 0xFFFFFFFEU) | is_minus_zero;
}

inline std::uint32_t row_of(BestKey key) { return static_cast<std::uint32_t>(~key) >> 1U; }

/// The score that the key was made of, to the bit.
inline float score_of(BestKey key) {
  const auto order = static_cast<std::uint32_t>(key >> 32U);
  const std::uint32_t bits = (order >> 31U) != 0 ? order & 0x7FFFFFFFU : ~order;
  return std::bit_cast<float>(bits == 0 && (key & 1U) != 0 ? 0x80000000U : bits);
}

/// Says which rows are no answers to a query of a call. It is asked only about rows that would be among the best.
class RowFilter {
 public:
  virtual ~RowFilter() = default;
  [[nodiscard]] virtual bool omits(std::size_t query, std::uint32_t row) const = 0;
};

/// The best rows before and after a tile. A query has k places; an empty place is 0. `before` is as clear() or a merge
/// left it, and does not overlap `after`. On a host that filters, the two may also be the same memory.
template <Space kSpace>
struct BasicBest {
  Vector<kSpace, const BestKey> before;  ///< [b, k]
  Vector<kSpace, BestKey> after;         ///< [b, k]
  std::size_t k;
  const RowFilter* filter = nullptr;  ///< allowed where filters(); without one all rows are answers
};

/// Queries [b, d] that search rows [n, d]; the first row has number `first_row`.
template <Space kSpace>
struct BasicBestTile {
  BasicConstMatrix<kSpace> queries;
  BasicConstMatrix<kSpace> rows;
  std::uint32_t first_row;
};

/// Approximate dot products of a tile, and what bounds their error. A merge may write exact scores over them.
template <Space kSpace>
struct BasicScreenedScores {
  BasicMatrix<kSpace> scores;               ///< [b, n]
  Vector<kSpace, const float> query_norms;  ///< [b], from ScreenedRanks::norms()
  Vector<kSpace, const float> row_norms;    ///< [n]
  float error_factor;                       ///< score_error_factor()
};

/// Memory for one tile at a time. Its content before a call does not matter.
template <Space kSpace>
struct BasicBestScratch {
  Vector<kSpace, BestKey> listed;           ///< [b, capacity] rows that may be among the best, for any capacity
  Vector<kSpace, std::uint32_t> counts;     ///< [b]
  Vector<kSpace, std::uint32_t> bars;       ///< [b]
  Vector<kSpace, std::uint32_t> overflows;  ///< [b + 1]
};

/// On a device calls are enqueued, as in other families.
template <Space kSpace>
class BasicBestRows {
 public:
  virtual ~BasicBestRows() = default;
  /// Whether merges ask a filter and work in place, as they do where the host has the scores.
  [[nodiscard]] virtual bool filters() const { return false; }
  /// Empties all places.
  virtual void clear(Vector<kSpace, BestKey> keys) const = 0;
  /// after = the k best of `before` and of rows first_row + j, which score scores[i][j]; scores [b, n].
  virtual void merge(BasicConstMatrix<kSpace> scores, std::uint32_t first_row, const BasicBest<kSpace>& best) const = 0;
  /// Gives the keys that merge() makes of Scores::all_pairs of kDot, whatever the approximation is, as long as its
  /// error is below its bound. The chain scores rows again that may be among the best, or all rows of the tile if the
  /// scratch has no room for them. Adds those pairs to cost[0].
  virtual void merge_screened(const BasicBestTile<kSpace>& tile, const BasicScreenedScores<kSpace>& approximate,
                              const BasicBestScratch<kSpace>& scratch, const BasicBest<kSpace>& best,
                              Vector<kSpace, ScreeningCost> cost) const = 0;
};

using Best = BasicBest<Space::kHost>;
using BestTile = BasicBestTile<Space::kHost>;
using ScreenedScores = BasicScreenedScores<Space::kHost>;
using BestScratch = BasicBestScratch<Space::kHost>;
using BestRows = BasicBestRows<Space::kHost>;

}  // namespace tessera::kernels
