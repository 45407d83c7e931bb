// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/detail/shapes.hpp"

#include <algorithm>
#include <array>

// The products of Gradients over tiles, from those of one tile, for backends of the host.
namespace tessera::kernels::detail {

/// The columns and rows of one tile.
struct TileRange {
  std::size_t index;
  std::size_t first;
  std::size_t count;
};

template <class Body>
void for_each_tile(const TiledWeights& tiled, const Body& body) {
  for (std::size_t t = 0; t < tiled.factors.rows; ++t)
    body(TileRange{t, t * tiled.tile, std::min(tiled.tile, tiled.weights.cols - t * tiled.tile)});
}

inline void to_rows_in_tiles(const Gradients& gradients, const TiledWeights& tiled, ConstMatrix queries, Matrix out) {
  check_tiled(tiled, queries, out);
  for_each_tile(tiled, [&](TileRange tile) {
    gradients.to_rows_scaled(tiled.weights.columns(tile.first, tile.count),
                             {tiled.factors.row(tile.index), queries.rows}, queries, out.block(tile.first, tile.count));
  });
}

/// In blocks whose products fit on the stack.
inline void to_queries_in_tiles(const Gradients& gradients, const TiledWeights& tiled, ConstMatrix rows, Matrix out) {
  constexpr std::size_t kQueries = 64;
  constexpr std::size_t kColumns = 128;
  check_tiled(tiled, out, rows);
  std::array<float, kQueries * kColumns> memory;
  for (std::size_t first = 0; first < out.rows; first += kQueries)
    for (std::size_t column = 0; column < out.cols; column += kColumns) {
      const Matrix to =
          out.block(first, std::min(kQueries, out.rows - first)).columns(column, std::min(kColumns, out.cols - column));
      const Matrix product{memory.data(), to.rows, to.cols, to.cols};
      for (std::size_t i = 0; i < to.rows; ++i) std::fill_n(to.row(i), to.cols, 0.0F);
      for_each_tile(tiled, [&](TileRange tile) {
        gradients.to_queries(tiled.weights.block(first, to.rows).columns(tile.first, tile.count),
                             rows.block(tile.first, tile.count).columns(column, to.cols), product);
        for (std::size_t i = 0; i < to.rows; ++i)
          for (std::size_t c = 0; c < to.cols; ++c)
            to.row(i)[c] += tiled.factors.row(tile.index)[first + i] * product.row(i)[c];
      });
    }
}

}  // namespace tessera::kernels::detail
