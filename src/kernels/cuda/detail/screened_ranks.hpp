// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/detail/lanes.hpp"
#include "kernels/cuda/detail/ranks.hpp"
#include "kernels/screened_ranks.hpp"

#include <cmath>
#include <cstdint>

namespace tessera::kernels::cuda {

/// Every norm has this added; score_error_factor() says why.
TESSERA_HOST_DEVICE inline double tiny_norm(std::size_t dim) { return sqrt(static_cast<double>(dim)) * 0x1p-50; }

/// Norms are computed in double and rounded up. Squares of floats are exact; their sum loses less than 2^-21 for up to
/// 2^30 elements.
struct NormsBody {
  static constexpr unsigned kThreads = kLaneThreads;
  using Shared = LaneValues<double>;
  struct Registers {};
  ConstTable rows;
  std::size_t count;
  std::size_t cols;
  float* out;

  TESSERA_HOST_DEVICE unsigned phases() const { return 2; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& /*registers*/) const {
    const LaneAt at(index);
    if (at.row >= count) return;
    if (phase == 0) {
      double squares = 0;
      for (std::size_t c = at.lane; c < cols; c += kLanes) {
        const auto value = static_cast<double>(rows.row(at.row)[c]);
        squares += value * value;
      }
      shared.at[at.slot][at.lane] = squares;
    } else if (at.lane == 0) {
      out[at.row] = static_cast<float>(sqrt(sum_tree(shared.at[at.slot])) * (1 + 0x1p-20) + tiny_norm(cols));
    }
  }
};

/// Pairs that are to be scored again.
struct Undecided {
  std::uint32_t* queries;
  std::uint32_t* rows;
  std::uint32_t* count;
  std::uint32_t capacity;
  template <Space kSpace>
  explicit Undecided(const BasicScreenScratch<kSpace>& scratch)
      : queries(scratch.queries.data()),
        rows(scratch.rows.data()),
        count(scratch.undecided.data()),
        capacity(static_cast<std::uint32_t>(scratch.queries.size())) {}
  TESSERA_HOST_DEVICE void add(std::size_t i, std::size_t j) const {
    const std::uint32_t place = take_place(count);
    if (place >= capacity) return;
    queries[place] = static_cast<std::uint32_t>(i);
    rows[place] = static_cast<std::uint32_t>(j);
  }
  /// Whether the list had no room for a pair; valid once all pairs have been added.
  TESSERA_HOST_DEVICE bool overflowed() const { return *count > capacity; }
};

struct ClearScreen {
  std::uint32_t* n_greater;
  std::uint32_t* undecided;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const {
    n_greater[i] = 0;
    if (i == 0) *undecided = 0;
  }
};

/// Approximate scores of a tile, and what bounds their errors.
struct ScreenedTile {
  ConstTable scores;
  const float* query_norms;
  const float* row_norms;
  float factor;
  std::size_t queries;
  std::size_t rows;
  template <class Approximate>
  explicit ScreenedTile(const Approximate& of)
      : scores(of.scores),
        query_norms(of.query_norms.data()),
        row_norms(of.row_norms.data()),
        factor(of.error_factor),
        queries(of.scores.rows),
        rows(of.scores.cols) {}
  /// norm(q) * norm(e) of a pair.
  [[nodiscard]] TESSERA_HOST_DEVICE float magnitude(std::size_t i, std::size_t j) const {
    return query_norms[i] * row_norms[j];
  }
  /// Whether the error of a score has a bound.
  TESSERA_HOST_DEVICE static bool is_sound(float score, float magnitude) {
    return magnitude < 0x1p126F && score - score == 0;
  }

  /// A block looks at kColumns scores of one query.
  static constexpr unsigned kThreads = 256;
  static constexpr std::size_t kColumns = 4096;
  [[nodiscard]] std::size_t blocks() const { return queries * blocks_of(kColumns, rows); }
  [[nodiscard]] TESSERA_HOST_DEVICE std::size_t query(At at) const { return at.block / pieces(); }
  /// Calls body(j) for the rows of a thread.
  template <class Body>
  TESSERA_HOST_DEVICE void for_rows(At at, const Body& body) const {
    const std::size_t first = at.block % pieces() * kColumns;
    const std::size_t end = rows - first < kColumns ? rows : first + kColumns;
    for (std::size_t j = first + at.thread; j < end; j += kThreads) body(j);
  }

 private:
  [[nodiscard]] TESSERA_HOST_DEVICE std::size_t pieces() const { return (rows + kColumns - 1) / kColumns; }
};

/// An approximate score is above a target, below it, or too near to decide.
enum class Verdict : std::uint8_t { kAbove, kBelow, kUndecided };

/// The difference of two floats is rounded once, by less than the margin of `factor`. A target that is infinite is
/// above or below every score that cannot overflow; NaN leaves everything undecided.
TESSERA_HOST_DEVICE inline Verdict screen(float score, float target, float magnitude, float factor) {
  const bool is_sound = ScreenedTile::is_sound(score, magnitude);
  const float difference = score - target;
  const float bound = factor * magnitude;
  if (is_sound && difference > bound) return Verdict::kAbove;
  if (is_sound && difference < -bound) return Verdict::kBelow;
  return Verdict::kUndecided;
}

/// Counts the scores of a tile that are above their targets, and lists the undecided ones.
struct ScreenBody {
  static constexpr unsigned kThreads = ScreenedTile::kThreads;
  ScreenedTile tile;
  const float* targets;
  std::uint32_t* n_greater;
  Undecided undecided;

  TESSERA_HOST_DEVICE void run(At at) const {
    const std::size_t i = tile.query(at);
    std::uint32_t greater = 0;
    tile.for_rows(at, [&](std::size_t j) {
      const Verdict verdict = screen(tile.scores.row(i)[j], targets[i], tile.magnitude(i, j), tile.factor);
      greater += verdict == Verdict::kAbove ? 1 : 0;
      if (verdict == Verdict::kUndecided) undecided.add(i, j);
    });
    add_count(n_greater + i, greater);
  }
};

/// Takes over the decided counts, unless the tile is counted again.
struct SettleQuery {
  Undecided undecided;
  const std::uint32_t* decided;
  std::uint64_t pairs;
  std::uint32_t* n_greater;
  ScreeningCost* cost;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const {
    const bool overflowed = undecided.overflowed();
    if (!overflowed) n_greater[i] += decided[i];
    if (i > 0) return;
    cost->rescored += overflowed ? 0 : *undecided.count;
    cost->recounted += overflowed ? pairs : 0;
  }
};

/// Scores one undecided pair again.
struct RescorePair {
  ConstTable queries;
  ConstTable rows;
  std::size_t dim;
  Undecided undecided;
  CountScores counts;
  TESSERA_HOST_DEVICE void operator()(std::size_t k) const {
    if (undecided.overflowed() || k >= *undecided.count) return;
    const std::size_t i = undecided.queries[k];
    const float score = chain_of<DotChain>(queries.row(i), rows.row(undecided.rows[k]), dim);
    add_count(counts.n_greater + i, score > counts.targets[i] ? 1 : 0);
    add_count(counts.n_equal + i, score == counts.targets[i] ? 1 : 0);
  }
};

/// Counts a tile by the chain if its list overflowed, and else does nothing.
struct RecountBody {
  using Count = ProductBody<DotChain, RowFactor, RowFactor, CountScores>;
  static constexpr unsigned kThreads = Count::kThreads;
  using Shared = Count::Shared;
  using Registers = Count::Registers;
  Count count;
  Undecided undecided;
  TESSERA_HOST_DEVICE unsigned phases() const { return undecided.overflowed() ? count.phases() : 0; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At at, Shared& shared, Registers& registers) const {
    count.run(phase, at, shared, registers);
  }
};

template <class Launcher>
class GridScreenedRanks final : public BasicScreenedRanks<Launcher::kSpace> {
  static constexpr Space kSpace = Launcher::kSpace;

 public:
  explicit GridScreenedRanks(Launcher launch) : launch_(launch) {}

  void norms(BasicConstMatrix<kSpace> rows, Vector<kSpace, float> out) const override {
    TESSERA_ASSERT(out.size() == rows.rows, "one norm per row");
    launch_(blocks_of(kLaneRows, rows.rows), NormsBody{ConstTable(rows), rows.rows, rows.cols, out.data()});
  }

  void count(const BasicRankTile<kSpace>& tile, const BasicApproximateScores<kSpace>& approximate,
             const BasicScreenScratch<kSpace>& scratch, const BasicRankCounts<kSpace>& counts,
             Vector<kSpace, ScreeningCost> cost) const override {
    check(tile, approximate, scratch, counts);
    TESSERA_ASSERT(cost.size() == 1, "the cost is added to one place");
    const std::size_t b = tile.queries.rows;
    const std::size_t n = tile.rows.rows;
    const std::size_t dim = tile.rows.cols;
    if (b == 0 || n == 0) return;
    const Undecided undecided(scratch);
    std::uint32_t* decided = scratch.n_greater.data();
    const CountScores exact(tile, counts);
    const ConstTable queries(tile.queries);
    const ConstTable rows(tile.rows);
    launch_items(launch_, b, ClearScreen{decided, undecided.count});
    const ScreenedTile screened(approximate);
    launch_(screened.blocks(), ScreenBody{screened, exact.targets, decided, undecided});
    launch_items(launch_, b, SettleQuery{undecided, decided, b * n, exact.n_greater, cost.data()});
    launch_items(launch_, undecided.capacity, RescorePair{queries, rows, dim, undecided, exact});
    const RecountBody recount{{RowFactor{queries}, RowFactor{rows}, exact, {b, n, dim}}, undecided};
    launch_(recount.count.blocks(), recount);
  }

 private:
  static void check(const BasicRankTile<kSpace>& tile, const BasicApproximateScores<kSpace>& approximate,
                    const BasicScreenScratch<kSpace>& scratch, const BasicRankCounts<kSpace>& counts) {
    const std::size_t b = tile.queries.rows;
    const std::size_t n = tile.rows.rows;
    kernels::detail::check_ranks(tile, counts);
    kernels::detail::check_scores(tile.queries, tile.rows, approximate.scores);
    TESSERA_ASSERT(approximate.query_norms.size() == b && approximate.row_norms.size() == n, "one norm per vector");
    TESSERA_ASSERT(
        scratch.queries.size() == scratch.rows.size() && scratch.n_greater.size() >= b && scratch.undecided.size() == 1,
        "scratch for a tile of that many queries");
    TESSERA_ASSERT(n == 0 || b <= UINT32_MAX / n, "a tile has fewer than 2^32 pairs");
  }

  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
