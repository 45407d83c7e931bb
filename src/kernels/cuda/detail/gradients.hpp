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

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
