// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/families.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/detail/tiles.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gradients.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/product_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) {
  product<DotChain>(RowFactor{weights.data, weights.stride}, StraightFactor{rows}, rows.rows, out);
}

void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) {
  product<DotChain>(ColumnFactor{weights.data, weights.stride}, StraightFactor{queries}, queries.rows, out);
}

void to_rows_scaled(ConstMatrix weights, const float* factors, ConstMatrix queries, Matrix out) {
  product<DotChain>(ColumnFactor{weights.data, weights.stride}, ScaledFactor{queries, factors}, queries.rows, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(to_queries);
HWY_EXPORT(to_rows);
HWY_EXPORT(to_rows_scaled);

namespace {

class CpuGradients final : public Gradients {
 public:
  void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const override {
    kernels::detail::check_gradients(weights, out, rows);
    HWY_DYNAMIC_DISPATCH(to_queries)(weights, rows, out);
  }

  void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const override {
    kernels::detail::check_gradients(weights, queries, out);
    HWY_DYNAMIC_DISPATCH(to_rows)(weights, queries, out);
  }

  void to_rows_scaled(ConstMatrix weights, std::span<const float> factors, ConstMatrix queries,
                      Matrix out) const override {
    kernels::detail::check_gradients(weights, queries, out);
    kernels::detail::check_factors(factors, queries);
    HWY_DYNAMIC_DISPATCH(to_rows_scaled)(weights, factors.data(), queries, out);
  }

  void add_to_queries_tiled(TiledWeights weights, Operand rows, Matrix scratch, Matrix out) const override {
    kernels::detail::add_to_queries_in_tiles(*this, weights, rows.matrix, scratch, out);
  }

  void to_rows_tiled(TiledWeights weights, Operand queries, Matrix out) const override {
    kernels::detail::to_rows_in_tiles(*this, weights, queries.matrix, out);
  }
};

}  // namespace

const Gradients& gradients() {
  static const CpuGradients instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
