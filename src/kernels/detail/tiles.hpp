// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/detail/shapes.hpp"

#include <algorithm>

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
inline void add_to_queries_in_tiles(const Gradients& gradients, const TiledWeights& tiled, ConstMatrix rows,
                                    Matrix scratch, Matrix out) {
  check_tiled(tiled, out, rows);
  TESSERA_ASSERT(scratch.rows == out.rows && scratch.cols == out.cols, "scratch has the shape of the sums");
  for_each_tile(tiled, [&](TileRange tile) {
    gradients.to_queries(tiled.weights.columns(tile.first, tile.count), rows.block(tile.first, tile.count), scratch);
    for (std::size_t i = 0; i < out.rows; ++i) {
      const float factor = tiled.factors.row(tile.index)[i];
      const float* product = scratch.row(i);
      float* to = out.row(i);
      for (std::size_t c = 0; c < out.cols; ++c) to[c] += factor * product[c];
    }
  });
}

}  // namespace tessera::kernels::detail
