// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/detail/product.hpp"
#include "kernels/detail/shapes.hpp"

namespace tessera::kernels::cuda {

template <class Launcher>
class GridGradients final : public BasicGradients<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using Operand = BasicOperand<Launcher::kSpace>;
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

  void to_rows_scaled(ConstMatrix weights, Vector<Launcher::kSpace, const float> factors, ConstMatrix queries,
                      Matrix out) const override {
    kernels::detail::check_gradients(weights, queries, out);
    kernels::detail::check_factors(factors, queries);
    launch_product<DotChain>(launch_, ColumnFactor{ConstTable(weights)},
                             ScaledColumnFactor{ConstTable(queries), factors.data()}, queries.rows, out);
  }

  void add_to_queries_tiled(Tiled tiled, Operand right, Matrix /*scratch*/, Matrix out) const override {
    const ConstMatrix& rows = right.matrix;
    kernels::detail::check_tiled(tiled, out, rows);
    for_each_tile(tiled, [&](std::size_t t, std::size_t first, std::size_t count) {
      launch_product<DotChain>(launch_, RowFactor{ConstTable(tiled.weights.columns(first, count))},
                               ColumnFactor{ConstTable(rows.block(first, count))}, count, out,
                               AddScaledProduct{Table(out), tiled.factors.row(t)});
    });
  }

  void to_rows_tiled(Tiled tiled, Operand right, Matrix out) const override {
    const ConstMatrix& queries = right.matrix;
    kernels::detail::check_tiled(tiled, queries, out);
    for_each_tile(tiled, [&](std::size_t t, std::size_t first, std::size_t count) {
      launch_product<DotChain>(launch_, ColumnFactor{ConstTable(tiled.weights.columns(first, count))},
                               ScaledColumnFactor{ConstTable(queries), tiled.factors.row(t)}, queries.rows,
                               out.block(first, count));
    });
  }

 private:
  template <class Body>
  static void for_each_tile(Tiled tiled, const Body& body) {
    for (std::size_t t = 0; t < tiled.factors.rows; ++t) {
      const std::size_t first = t * tiled.tile;
      body(t, first, tiled.weights.cols - first < tiled.tile ? tiled.weights.cols - first : tiled.tile);
    }
  }

  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
