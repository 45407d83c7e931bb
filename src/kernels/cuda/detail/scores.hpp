// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/detail/product.hpp"
#include "kernels/detail/shapes.hpp"

namespace tessera::kernels::cuda {

template <class Chain>
struct PairItem {
  ConstTable queries;
  ConstTable rows;
  std::size_t dim;
  float* out;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const {
    out[i] = chain_of<Chain>(queries.row(i), rows.row(i), dim);
  }
};

template <class Launcher>
class GridScores final : public BasicScores<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using Operand = BasicOperand<Launcher::kSpace>;

 public:
  explicit GridScores(Launcher launch) : launch_(launch) {}

  void all_pairs(Similarity similarity, Operand left, Operand right, Matrix out) const override {
    const ConstMatrix& queries = left.matrix;
    const ConstMatrix& rows = right.matrix;
    kernels::detail::check_scores(queries, rows, out);
    with_chain(similarity, [&](auto chain) {
      launch_product<decltype(chain)>(launch_, RowFactor{ConstTable(queries)}, RowFactor{ConstTable(rows)}, rows.cols,
                                      out);
    });
  }

  void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows,
             Vector<Launcher::kSpace, float> out) const override {
    kernels::detail::check_pairs(queries, rows, out);
    with_chain(similarity, [&](auto chain) {
      launch_items(launch_, rows.rows,
                   PairItem<decltype(chain)>{ConstTable(queries), ConstTable(rows), rows.cols, out.data()});
    });
  }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
