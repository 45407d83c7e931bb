// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/detail/prefetch.hpp"
#include "kernels/cpu/families.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/updates.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/simd_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

void adagrad_row(AdagradStep step, const float* gradient, float* row, float* state, std::size_t columns) {
  for_columns(columns, [=](auto d, std::size_t c) HWY_ATTR {
    const auto g = hn::LoadU(d, gradient + c);
    const auto squares = fused(d, g, g, hn::LoadU(d, state + c));
    const auto root = hn::Add(hn::Sqrt(squares), hn::Set(d, step.epsilon));
    const auto change = hn::Div(hn::Mul(hn::Set(d, step.learning_rate), g), root);
    hn::StoreU(squares, d, state + c);
    hn::StoreU(hn::Sub(hn::LoadU(d, row + c), change), d, row + c);
  });
}

void adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, Matrix table,
             Matrix state) {
  for (std::size_t i = 0; i < gradients.rows; ++i) {
    detail::prefetch_row(table, indices, i + detail::kRowsAhead);
    detail::prefetch_row(state, indices, i + detail::kRowsAhead);
    adagrad_row(step, gradients.row(i), table.row(indices[i]), state.row(indices[i]), table.cols);
  }
}

HWY_INLINE void add_squares_of_16(const float* values, Vec<Part16>* sums) {
  const Part16 d;
  for (std::size_t p = 0; p < kParts; ++p) {
    const auto value = hn::LoadU(d, values + p * hn::MaxLanes(d));
    sums[p] = fused(d, value, value, sums[p]);
  }
}

/// Sum of squares in 16 fixed lanes (k mod 16).
float sum_squares(const float* values, std::size_t count) {
  Vec<Part16> sums[kParts];
  for (auto& sum : sums) sum = hn::Zero(Part16());
  std::size_t k = 0;
  for (; k + kFixedLanes <= count; k += kFixedLanes) add_squares_of_16(values + k, sums);
  if (k < count) {
    HWY_ALIGN float rest[kFixedLanes] = {};
    std::copy_n(values + k, count - k, rest);
    add_squares_of_16(rest, sums);
  }
  return sum_parts(sums);
}

HWY_INLINE void sgd_row(float rate, const float* gradient, float* row, std::size_t columns) {
  for_columns(columns, [=](auto d, std::size_t c) HWY_ATTR {
    hn::StoreU(fused(d, hn::Set(d, -rate), hn::LoadU(d, gradient + c), hn::LoadU(d, row + c)), d, row + c);
  });
}

void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, Matrix table,
                     std::span<float> state) {
  for (std::size_t i = 0; i < gradients.rows; ++i) {
    detail::prefetch_row(table, indices, i + detail::kRowsAhead);
    const float* gradient = gradients.row(i);
    float* row = table.row(indices[i]);
    float& squares = state[indices[i]];
    squares += sum_squares(gradient, table.cols) / static_cast<float>(table.cols);
    const float rate = step.learning_rate / (std::sqrt(squares) + step.epsilon);
    sgd_row(rate, gradient, row, table.cols);
  }
}

HWY_INLINE void adam_row(AdamStep step, const float* gradient, float* row, float* state, std::size_t columns) {
  float* second = state + columns;
  for_columns(columns, [=](auto d, std::size_t c) HWY_ATTR {
    const auto g = hn::LoadU(d, gradient + c);
    auto mean = hn::LoadU(d, state + c);
    auto squares = hn::LoadU(d, second + c);
    mean = fused(d, hn::Set(d, step.mean_gain), hn::Sub(g, mean), mean);
    squares = fused(d, hn::Set(d, step.square_gain), fused(d, g, g, hn::Neg(squares)), squares);
    const auto root = fused(d, hn::Set(d, step.root_scale), hn::Sqrt(squares), hn::Set(d, step.epsilon));
    hn::StoreU(mean, d, state + c);
    hn::StoreU(squares, d, second + c);
    const auto change = hn::Div(hn::Mul(hn::Set(d, step.rate), mean), root);
    hn::StoreU(hn::Sub(hn::LoadU(d, row + c), change), d, row + c);
  });
}

void adam(AdamStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, Matrix table, Matrix state) {
  for (std::size_t i = 0; i < gradients.rows; ++i) {
    detail::prefetch_row(table, indices, i + detail::kRowsAhead);
    detail::prefetch_row(state, indices, i + detail::kRowsAhead);
    adam_row(step, gradients.row(i), table.row(indices[i]), state.row(indices[i]), table.cols);
  }
}

void sgd(float learning_rate, ConstMatrix gradients, std::span<const std::uint32_t> indices, Matrix table) {
  for (std::size_t i = 0; i < gradients.rows; ++i) {
    detail::prefetch_row(table, indices, i + detail::kRowsAhead);
    sgd_row(learning_rate, gradients.row(i), table.row(indices[i]), table.cols);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(adagrad);
HWY_EXPORT(rowwise_adagrad);
HWY_EXPORT(adam);
HWY_EXPORT(sgd);

namespace {

/// The reference updates rows in bfloat16: such rows are for devices.
class CpuUpdates final : public Updates {
 public:
  void adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, StoredRows table,
               StoredState state) const override {
    if (!table.is_fp32() || !state.is_fp32())
      return reference::updates().adagrad(step, gradients, indices, table, state);
    kernels::detail::check_indexed(gradients, indices, table);
    kernels::detail::check_indexed(gradients, indices, state);
    HWY_DYNAMIC_DISPATCH(adagrad)(step, gradients, indices, table.matrix(), state.matrix());
  }

  void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices,
                       StoredRows table, std::span<float> state) const override {
    if (!table.is_fp32()) return reference::updates().rowwise_adagrad(step, gradients, indices, table, state);
    kernels::detail::check_indexed(gradients, indices, table);
    kernels::detail::check_row_state(state, table);
    HWY_DYNAMIC_DISPATCH(rowwise_adagrad)(step, gradients, indices, table.matrix(), state);
  }

  void adam(AdamStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, StoredRows table,
            Matrix state) const override {
    if (!table.is_fp32()) return reference::updates().adam(step, gradients, indices, table, state);
    kernels::detail::check_moments(gradients, indices, table, state);
    HWY_DYNAMIC_DISPATCH(adam)(step, gradients, indices, table.matrix(), state);
  }

  void sgd(float learning_rate, ConstMatrix gradients, std::span<const std::uint32_t> indices,
           StoredRows table) const override {
    if (!table.is_fp32()) return reference::updates().sgd(learning_rate, gradients, indices, table);
    kernels::detail::check_indexed(gradients, indices, table);
    HWY_DYNAMIC_DISPATCH(sgd)(learning_rate, gradients, indices, table.matrix());
  }
};

}  // namespace

const Updates& updates() {
  static const CpuUpdates instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
