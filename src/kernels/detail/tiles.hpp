// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/detail/shapes.hpp"

#include <algorithm>

// Products over tiles are made of the products of one tile.
namespace tessera::kernels::detail {

/// The columns of the weights, and the rows that belong to them, of one tile.
struct TileRange {
  std::size_t index;
  std::size_t first;
  std::size_t count;
};

template <Space kSpace, class Body>
void for_each_tile(const BasicTiledWeights<kSpace>& tiled, const Body& body) {
  for (std::size_t t = 0; t < tiled.factors.rows; ++t)
    body(TileRange{t, t * tiled.tile, std::min(tiled.tile, tiled.weights.cols - t * tiled.tile)});
}

/// The tiled products of a backend of the host.
class HostGradients : public Gradients {
 public:
  void to_rows_tiled(TiledWeights tiled, Operand right, Matrix out) const final {
    const ConstMatrix& queries = right.matrix;
    check_tiled(tiled, queries, out);
    for_each_tile(tiled, [&](TileRange tile) {
      to_rows_scaled(tiled.weights.columns(tile.first, tile.count), tiled.factors.row(tile.index), queries,
                     out.block(tile.first, tile.count));
    });
  }

  void add_to_queries_tiled(TiledWeights tiled, Operand right, Matrix scratch, Matrix out) const final {
    const ConstMatrix& rows = right.matrix;
    check_tiled(tiled, out, rows);
    TESSERA_ASSERT(scratch.rows == out.rows && scratch.cols == out.cols, "scratch has the shape of the sums");
    for_each_tile(tiled, [&](TileRange tile) {
      to_queries(tiled.weights.columns(tile.first, tile.count), rows.block(tile.first, tile.count), scratch);
      for (std::size_t i = 0; i < out.rows; ++i) {
        const float factor = tiled.factors.row(tile.index)[i];
        const float* product = scratch.row(i);
        float* to = out.row(i);
        for (std::size_t c = 0; c < out.cols; ++c) to[c] += factor * product[c];
      }
    });
  }

 private:
  /// The product to_rows() of the queries factors[i] * queries[i].
  virtual void to_rows_scaled(ConstMatrix weights, const float* factors, ConstMatrix queries, Matrix out) const = 0;
};

}  // namespace tessera::kernels::detail
