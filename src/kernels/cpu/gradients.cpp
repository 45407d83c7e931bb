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
  product<DotChain>(RowFactor{weights.data, weights.stride}, ScaledFactor{rows}, rows.rows, out);
}

void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) {
  product<DotChain>(ColumnFactor{weights.data, weights.stride}, ScaledFactor{queries}, queries.rows, out);
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

class CpuGradients final : public kernels::detail::HostGradients {
 public:
  void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const override {
    kernels::detail::check_gradients(weights, out, rows);
    HWY_DYNAMIC_DISPATCH(to_queries)(weights, rows, out);
  }

  void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const override {
    kernels::detail::check_gradients(weights, queries, out);
    HWY_DYNAMIC_DISPATCH(to_rows)(weights, queries, out);
  }

 private:
  void to_rows_scaled(ConstMatrix weights, const float* factors, ConstMatrix queries, Matrix out) const override {
    HWY_DYNAMIC_DISPATCH(to_rows_scaled)(weights, factors, queries, out);
  }
};

}  // namespace

const Gradients& gradients() {
  static const CpuGradients instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
