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
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  template <class T>
  using Vector = kernels::Vector<Launcher::kSpace, T>;

 public:
  explicit GridRanks(Launcher launch) : launch_(launch) {}

  void count(Similarity similarity, ConstMatrix queries, ConstMatrix rows, Vector<const float> target_scores,
             Vector<std::uint32_t> n_greater, Vector<std::uint32_t> n_equal) const override {
    kernels::detail::check_ranks(queries, rows, target_scores, n_greater, n_equal);
    const CountScores counts{target_scores.data(), n_greater.data(), n_equal.data()};
    with_chain(similarity, [&](auto chain) {
      using Body = ProductBody<decltype(chain), RowFactor, RowFactor, CountScores>;
      const Body body{
          RowFactor{ConstTable(queries)}, RowFactor{ConstTable(rows)}, counts, queries.rows, rows.rows, rows.cols};
      launch_(body.blocks(), body);
    });
  }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
