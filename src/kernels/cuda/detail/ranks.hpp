// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/detail/product.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

/// Counts the scores of a tile instead of writing them; NaN compares as neither.
struct CountScores {
  const float* targets;
  std::uint32_t* n_greater;
  std::uint32_t* n_equal;
  template <Space kSpace>
  CountScores(const BasicRankTile<kSpace>& tile, const BasicRankCounts<kSpace>& counts)
      : targets(tile.target_scores.data()), n_greater(counts.n_greater.data()), n_equal(counts.n_equal.data()) {}
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t j, const float (&scores)[kEach],
                                      std::size_t cols) const {
    std::uint32_t greater = 0;
    std::uint32_t equal = 0;
    TESSERA_UNROLL
    for (unsigned c = 0; c < kEach; ++c) {
      if (j + c * kTileSide >= cols) continue;
      greater += scores[c] > targets[i] ? 1 : 0;
      equal += scores[c] == targets[i] ? 1 : 0;
    }
    add_count(n_greater + i, greater);
    add_count(n_equal + i, equal);
  }
};

template <class Launcher>
class GridRanks final : public BasicRanks<Launcher::kSpace> {
 public:
  explicit GridRanks(Launcher launch) : launch_(launch) {}

  void count(Similarity similarity, const BasicRankTile<Launcher::kSpace>& tile,
             const BasicRankCounts<Launcher::kSpace>& counts) const override {
    kernels::detail::check_ranks(tile, counts);
    with_chain(similarity, [&](auto chain) {
      launch_product<decltype(chain)>(launch_, RowFactor{ConstTable(tile.queries)}, RowFactor{ConstTable(tile.rows)},
                                      {tile.queries.rows, tile.rows.rows, tile.rows.cols}, CountScores(tile, counts));
    });
  }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
