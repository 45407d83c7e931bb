// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/best_rows.hpp"
#include "kernels/cuda/detail/product.hpp"
#include "kernels/cuda/detail/screened_ranks.hpp"
#include "kernels/cuda/detail/select.hpp"
#include "kernels/detail/best_shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

/// Bounds of the exact score of a pair.
struct ScoreRange {
  float low;
  float high;
};

TESSERA_HOST_DEVICE inline ScoreRange range_of(const ScreenedTile& tile, std::size_t i, std::size_t j) {
  const float score = tile.scores.row(i)[j];
  const float magnitude = tile.magnitude(i, j);
  if (!ScreenedTile::is_sound(score, magnitude)) return {-INFINITY, INFINITY};
  // This is a thirty-second more than the bound. As |score| <= (1 + f) |q| |e| and f >= 66 * 2^-23, the two results
  // below lose less than a hundredth of it by rounding, which is 2^-24 of them.
  const float bound = 1.03125F * tile.factor * magnitude;
  return {score - bound, score + bound};
}

/// Keys of the lowest scores that rows can have. They make a threshold, so they name no row.
struct LowestKeys {
  ScreenedTile tile;
  TESSERA_HOST_DEVICE std::size_t count(std::size_t /*i*/) const { return tile.rows; }
  TESSERA_HOST_DEVICE BestKey key(std::size_t i, std::size_t j) const {
    return static_cast<BestKey>(ordered(range_of(tile, i, j).low)) << 32U;
  }
};

/// Keys of all rows of a tile, whose scores are exact.
struct RowKeys {
  ConstTable scores;
  std::size_t rows;
  std::uint32_t first_row;
  TESSERA_HOST_DEVICE std::size_t count(std::size_t /*i*/) const { return rows; }
  TESSERA_HOST_DEVICE BestKey key(std::size_t i, std::size_t j) const {
    return best_key(scores.row(i)[j], first_row + static_cast<std::uint32_t>(j));
  }
};

/// Lists of the rows that may be among the best: first their places in the tile, then their keys.
struct Listed {
  BestKey* keys;
  std::uint32_t* counts;
  std::size_t capacity;
  TESSERA_HOST_DEVICE void add(std::size_t i, std::size_t j) const {
    const std::uint32_t place = take_place(counts + i);
    if (place < capacity) keys[i * capacity + place] = j;
  }
  /// Whether the list of a query had no room for a row; valid once all rows have been added.
  TESSERA_HOST_DEVICE bool overflowed(std::size_t i) const { return counts[i] > capacity; }
};

/// Keys of the rows that were listed, or of all rows where they were too many.
struct ListedKeys {
  Listed listed;
  RowKeys all;
  TESSERA_HOST_DEVICE std::size_t count(std::size_t i) const {
    return listed.overflowed(i) ? all.rows : listed.counts[i];
  }
  TESSERA_HOST_DEVICE BestKey key(std::size_t i, std::size_t j) const {
    return listed.overflowed(i) ? all.key(i, j) : listed.keys[i * listed.capacity + j];
  }
};

struct ClearKeys {
  BestKey* keys;
  TESSERA_HOST_DEVICE void operator()(std::size_t k) const { keys[k] = 0; }
};

struct ClearLists {
  std::uint32_t* counts;
  std::uint32_t* overflows;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const {
    counts[i] = 0;
    overflows[i + 1] = 0;
    if (i == 0) overflows[0] = 0;
  }
};

/// Lists the rows of a tile whose score may reach the bar of a query.
struct ListBody {
  static constexpr unsigned kThreads = ScreenedTile::kThreads;
  ScreenedTile tile;
  const std::uint32_t* bars;
  Listed listed;

  TESSERA_HOST_DEVICE void run(At at) const {
    const std::size_t i = tile.query(at);
    tile.for_rows(at, [&](std::size_t j) {
      if (ordered(range_of(tile, i, j).high) >= bars[i]) listed.add(i, j);
    });
  }
};

/// Notes whether all rows are to be scored again for query i: in overflows[0], and for its tile of queries.
struct SettleLists {
  Listed listed;
  std::size_t rows;
  std::uint32_t* overflows;
  ScreeningCost* cost;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const {
    const bool overflowed = listed.overflowed(i);
    const std::uint64_t pairs = overflowed ? rows : listed.counts[i];
    add_count(overflowed ? &cost->recounted : &cost->rescored, pairs);
    if (!overflowed) return;
    add_count(overflows, 1U);
    add_count(overflows + 1 + i / kTile, 1U);
  }
};

/// Scores one listed pair again.
struct ScoreListed {
  ConstTable queries;
  ConstTable rows;
  std::size_t dim;
  std::uint32_t first_row;
  Listed listed;
  TESSERA_HOST_DEVICE void operator()(std::size_t k) const {
    const std::size_t i = k / listed.capacity;
    if (listed.overflowed(i) || k % listed.capacity >= listed.counts[i]) return;
    const auto j = static_cast<std::size_t>(listed.keys[k]);
    const float score = chain_of<DotChain>(queries.row(i), rows.row(j), dim);
    listed.keys[k] = best_key(score, first_row + static_cast<std::uint32_t>(j));
  }
};

/// Writes scores of the queries whose lists overflowed.
struct StoreOverflowed {
  StoreProduct store;
  Listed listed;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t j, const float (&values)[kEach],
                                      std::size_t cols) const {
    if (listed.overflowed(i)) store(i, j, values, cols);
  }
};

/// Scores all rows again for queries whose lists overflowed, in tiles that have such a query.
struct ScoreOverflowedBody {
  using Product = ProductBody<DotChain, RowFactor, RowFactor, StoreOverflowed>;
  static constexpr unsigned kThreads = Product::kThreads;
  using Shared = Product::Shared;
  using Registers = Product::Registers;
  Product product;
  const std::uint32_t* overflows;
  TESSERA_HOST_DEVICE unsigned phases() const { return overflows[0] > 0 ? product.phases() : 0; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At at, Shared& shared, Registers& registers) const {
    if (overflows[1 + at.block / product.shape.column_tiles()] > 0) product.run(phase, at, shared, registers);
  }
};

template <class Launcher>
class GridBestRows final : public BasicBestRows<Launcher::kSpace> {
  static constexpr Space kSpace = Launcher::kSpace;

 public:
  explicit GridBestRows(Launcher launch) : launch_(launch) {}

  void clear(Vector<kSpace, BestKey> keys) const override {
    launch_items(launch_, keys.size(), ClearKeys{keys.data()});
  }

  void merge(BasicConstMatrix<kSpace> scores, std::uint32_t first_row, const BasicBest<kSpace>& best) const override {
    kernels::detail::check_best(best, scores.rows, first_row, scores.cols);
    select(RowKeys{ConstTable(scores), scores.cols, first_row}, scores.rows, best);
  }

  void merge_screened(const BasicBestTile<kSpace>& tile, const BasicScreenedScores<kSpace>& approximate,
                      const BasicBestScratch<kSpace>& scratch, const BasicBest<kSpace>& best,
                      Vector<kSpace, ScreeningCost> cost) const override {
    const std::size_t b = tile.queries.rows;
    const std::size_t n = tile.rows.rows;
    const std::size_t dim = tile.rows.cols;
    kernels::detail::check_best(best, b, tile.first_row, n);
    kernels::detail::check_screened(tile, approximate, scratch);
    if (b == 0) return;
    const ConstTable queries(tile.queries);
    const ConstTable rows(tile.rows);
    const BasicConstMatrix<kSpace> scores = approximate.scores;
    const Listed listed{scratch.listed.data(), scratch.counts.data(), scratch.listed.size() / b};
    std::uint32_t* bars = scratch.bars.data();
    std::uint32_t* overflows = scratch.overflows.data();
    const ScreenedTile screened(approximate);
    launch_items(launch_, b, ClearLists{listed.counts, overflows});
    launch_(b, SelectBody<LowestKeys, StoreBar>{{screened}, best.before.data(), best.k, 4, {bars}});
    launch_(screened.blocks(), ListBody{screened, bars, listed});
    launch_items(launch_, b, SettleLists{listed, n, overflows, cost.data()});
    launch_items(launch_, b * listed.capacity, ScoreListed{queries, rows, dim, tile.first_row, listed});
    const StoreOverflowed store{{Table(approximate.scores)}, listed};
    const ScoreOverflowedBody overflowed{{RowFactor{queries}, RowFactor{rows}, store, {b, n, dim}}, overflows};
    launch_(overflowed.product.blocks(), overflowed);
    select(ListedKeys{listed, {ConstTable(scores), n, tile.first_row}}, b, best);
  }

 private:
  template <class Source>
  void select(const Source& source, std::size_t queries, const BasicBest<kSpace>& best) const {
    launch_(queries, SelectBody<Source, StoreBest>{source, best.before.data(), best.k, 8, {best.after.data()}});
  }
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
