// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/detail/tiles.hpp"
#include "kernels/reference/families.hpp"

#include <cmath>

namespace tessera::kernels::reference {
namespace {

class ReferenceGradients final : public Gradients {
 public:
  void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const override {
    detail::check_gradients(weights, out, rows);
    for (std::size_t i = 0; i < out.rows; ++i)
      for (std::size_t c = 0; c < out.cols; ++c) {
        float sum = 0;
        for (std::size_t j = 0; j < rows.rows; ++j) sum = std::fma(weights.row(i)[j], rows.row(j)[c], sum);
        out.row(i)[c] = sum;
      }
  }

  void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const override {
    detail::check_gradients(weights, queries, out);
    for (std::size_t j = 0; j < out.rows; ++j)
      for (std::size_t c = 0; c < out.cols; ++c) {
        float sum = 0;
        for (std::size_t i = 0; i < queries.rows; ++i) sum = std::fma(weights.row(i)[j], queries.row(i)[c], sum);
        out.row(j)[c] = sum;
      }
  }

  void to_rows_scaled(ConstMatrix weights, std::span<const float> factors, ConstMatrix queries,
                      Matrix out) const override {
    detail::check_gradients(weights, queries, out);
    detail::check_factors(factors, queries);
    for (std::size_t j = 0; j < out.rows; ++j)
      for (std::size_t c = 0; c < out.cols; ++c) {
        float sum = 0;
        for (std::size_t i = 0; i < queries.rows; ++i)
          sum = std::fma(weights.row(i)[j], factors[i] * queries.row(i)[c], sum);
        out.row(j)[c] = sum;
      }
  }

  void add_to_queries_tiled(TiledWeights weights, Operand rows, Matrix scratch, Matrix out) const override {
    detail::add_to_queries_in_tiles(*this, weights, rows.matrix, scratch, out);
  }

  void to_rows_tiled(TiledWeights weights, Operand queries, Matrix out) const override {
    detail::to_rows_in_tiles(*this, weights, queries.matrix, out);
  }
};

}  // namespace

const Gradients& gradients() {
  static const ReferenceGradients instance;
  return instance;
}

}  // namespace tessera::kernels::reference
