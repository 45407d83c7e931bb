// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/detail/product.hpp"
#include "kernels/detail/shapes.hpp"

namespace tessera::kernels::cuda {

/// One pair a thread: its chain in index order.
template <class Chain>
struct PairsBody {
  static constexpr unsigned kThreads = 128;
  ConstTable queries;
  ConstTable rows;
  std::size_t count;
  std::size_t dim;
  float* out;

  TESSERA_HOST_DEVICE void run(At at) const {
    const std::size_t i = at.block * kThreads + at.thread;
    if (i >= count) return;
    const float* query = queries.row(i);
    const float* row = rows.row(i);
    float sum = 0;
    for (std::size_t k = 0; k < dim; ++k) sum = Chain::step(query[k], row[k], sum);
    out[i] = Chain::finish(sum);
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
      using Body = PairsBody<decltype(chain)>;
      launch_(blocks_of(Body::kThreads, rows.rows),
              Body{ConstTable(queries), ConstTable(rows), rows.rows, rows.cols, out.data()});
    });
  }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
