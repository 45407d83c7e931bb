// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/detail/tiles.hpp"
#include "kernels/reference/families.hpp"

#include <cmath>

namespace tessera::kernels::reference {
namespace {

class ReferenceGradients final : public detail::HostGradients {
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
    sum_to_rows(weights, out, [&](std::size_t i, std::size_t c) { return queries.row(i)[c]; });
  }

 private:
  void to_rows_scaled(ConstMatrix weights, const float* factors, ConstMatrix queries, Matrix out) const override {
    sum_to_rows(weights, out, [&](std::size_t i, std::size_t c) { return factors[i] * queries.row(i)[c]; });
  }

  template <class Query>
  static void sum_to_rows(ConstMatrix weights, Matrix out, const Query& query) {
    for (std::size_t j = 0; j < out.rows; ++j)
      for (std::size_t c = 0; c < out.cols; ++c) {
        float sum = 0;
        for (std::size_t i = 0; i < weights.rows; ++i) sum = std::fma(weights.row(i)[j], query(i, c), sum);
        out.row(j)[c] = sum;
      }
  }
};

}  // namespace

const Gradients& gradients() {
  static const ReferenceGradients instance;
  return instance;
}

}  // namespace tessera::kernels::reference
