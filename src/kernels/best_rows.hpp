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

// The k best rows of every query, tile of scores by tile, exactly: also from approximate dot products, which decide
// where their error cannot matter.
namespace tessera::kernels {

/// A row and its score as one number, larger being better: the score in order (zeros of both signs alike) in the high
/// 32 bits, then the row, the smaller the better, in 31 bits, then whether the score is -0. No two rows are the same,
/// so that the k best are the same ones in whatever order they are found. 0: no row.
using BestKey = std::uint64_t;

/// Rows are numbered below this.
constexpr std::uint64_t kBestRows = std::uint64_t{1} << 31U;

/// In the order of the numbers, zeros of both signs being one; 0 for NaN, and for nothing else.
TESSERA_HOST_DEVICE inline std::uint32_t ordered(float score) {
  if (score != score) return 0;
  const std::uint32_t bits = score == 0 ? 0U : float_bits(score);
  return (bits >> 31U) != 0 ? ~bits : bits | 0x80000000U;
}

/// 0 for NaN, which is never an answer.
TESSERA_HOST_DEVICE inline BestKey best_key(float score, std::uint32_t row) {
  if (score != score) return 0;
  const std::uint32_t is_minus_zero = float_bits(score) == 0x80000000U ? 1U : 0U;
  return static_cast<BestKey>(ordered(score)) << 32U | (~(row << 1U) & 0xFFFFFFFEU) | is_minus_zero;
}

inline std::uint32_t row_of(BestKey key) { return static_cast<std::uint32_t>(~key) >> 1U; }

/// The bits of the score that the key was made of.
inline float score_of(BestKey key) {
  const auto order = static_cast<std::uint32_t>(key >> 32U);
  const std::uint32_t bits = (order >> 31U) != 0 ? order & 0x7FFFFFFFU : ~order;
  return std::bit_cast<float>(bits == 0 && (key & 1U) != 0 ? 0x80000000U : bits);
}

/// Which rows are no answers to a query of a call; asked for those alone that would be among the best.
class RowFilter {
 public:
  virtual ~RowFilter() = default;
  [[nodiscard]] virtual bool omits(std::size_t query, std::uint32_t row) const = 0;
};

/// Best rows before and after a tile. A query has k places, 0 where it has no row. `before` is as clear() or a merge
/// left it, and does not overlap `after`; on a host that filters the two are the same memory, or do not overlap.
template <Space kSpace>
struct BasicBest {
  Vector<kSpace, const BestKey> before;  ///< [b, k]
  Vector<kSpace, BestKey> after;         ///< [b, k]
  std::size_t k;
  const RowFilter* filter = nullptr;  ///< only where filters(); null: all rows are answers
};

/// What is searched: queries [b, d], rows [n, d], the first of which has number `first_row`.
template <Space kSpace>
struct BasicBestTile {
  BasicConstMatrix<kSpace> queries;
  BasicConstMatrix<kSpace> rows;
  std::uint32_t first_row;
};

/// Dot products of a tile, and how good they are. Exact ones may be written over them.
template <Space kSpace>
struct BasicScreenedScores {
  BasicMatrix<kSpace> scores;               ///< [b, n]
  Vector<kSpace, const float> query_norms;  ///< [b], of ScreenedRanks::norms()
  Vector<kSpace, const float> row_norms;    ///< [n]
  float error_factor;                       ///< score_error_factor()
};

/// Memory for one tile at a time; what is in it before does not matter.
template <Space kSpace>
struct BasicBestScratch {
  Vector<kSpace, BestKey> listed;           ///< [b, capacity] that may be among the best: any capacity
  Vector<kSpace, std::uint32_t> counts;     ///< [b]
  Vector<kSpace, std::uint32_t> bars;       ///< [b]
  Vector<kSpace, std::uint32_t> overflows;  ///< [b + 1]
};

/// On a device calls are enqueued as those of other families are.
template <Space kSpace>
class BasicBestRows {
 public:
  virtual ~BasicBestRows() = default;
  /// Whether merges ask a filter, and work in place: where the host has the scores.
  [[nodiscard]] virtual bool filters() const { return false; }
  /// No row is among the best.
  virtual void clear(Vector<kSpace, BestKey> keys) const = 0;
  /// after = the k best of `before` and of rows first_row + j, which score scores[i][j]; scores [b, n].
  virtual void merge(BasicConstMatrix<kSpace> scores, std::uint32_t first_row, const BasicBest<kSpace>& best) const = 0;
  /// What merge() makes of Scores::all_pairs of kDot, the same keys whatever the approximation is, as long as its error
  /// is below its bound: rows that may be among the best are scored again by the chain, and with more of them than the
  /// scratch has room for, all rows of the tile. Adds those pairs to cost[0].
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
