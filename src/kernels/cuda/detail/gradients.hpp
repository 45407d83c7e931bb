// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/detail/product.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/detail/tiles.hpp"

namespace tessera::kernels::cuda {

template <class Launcher>
class GridGradients final : public BasicGradients<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using Operand = BasicOperand<Launcher::kSpace>;
  using TileRange = kernels::detail::TileRange;
  using Tiled = BasicTiledWeights<Launcher::kSpace>;

 public:
  explicit GridGradients(Launcher launch) : launch_(launch) {}

  void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const override {
    kernels::detail::check_gradients(weights, out, rows);
    launch_product<DotChain>(launch_, RowFactor{ConstTable(weights)}, ColumnFactor{ConstTable(rows)}, rows.rows, out);
  }

  void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const override {
    kernels::detail::check_gradients(weights, queries, out);
    launch_product<DotChain>(launch_, ColumnFactor{ConstTable(weights)}, ColumnFactor{ConstTable(queries)},
                             queries.rows, out);
  }

  void add_to_queries_tiled(Tiled tiled, Operand right, Matrix /*scratch*/, Matrix out) const override {
    const ConstMatrix& rows = right.matrix;
    kernels::detail::check_tiled(tiled, out, rows);
    kernels::detail::for_each_tile(tiled, [&](TileRange tile) {
      launch_product<DotChain>(launch_, RowFactor{ConstTable(tiled.weights.columns(tile.first, tile.count))},
                               ColumnFactor{ConstTable(rows.block(tile.first, tile.count))},
                               ProductShape{out.rows, out.cols, tile.count},
                               AddScaledProduct{Table(out), tiled.factors.row(tile.index)});
    });
  }

  void to_rows_tiled(Tiled tiled, Operand right, Matrix out) const override {
    const ConstMatrix& queries = right.matrix;
    kernels::detail::check_tiled(tiled, queries, out);
    kernels::detail::for_each_tile(tiled, [&](TileRange tile) {
      launch_product<DotChain>(launch_, ColumnFactor{ConstTable(tiled.weights.columns(tile.first, tile.count))},
                               ScaledColumnFactor{ConstTable(queries), tiled.factors.row(tile.index)}, queries.rows,
                               out.block(tile.first, tile.count));
    });
  }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
