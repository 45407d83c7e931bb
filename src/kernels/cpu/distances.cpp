// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/families.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>
#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/distances.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/simd_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

void to_coefficients(ConstMatrix scores, Matrix weights) {
  for (std::size_t i = 0; i < weights.rows; ++i) {
    const float* score = scores.row(i);
    float* weight = weights.row(i);
    for_columns(weights.cols, [=](auto d, std::size_t j) HWY_ATTR {
      const auto s = hn::LoadU(d, score + j);
      const auto quotient = hn::Div(hn::LoadU(d, weight + j), s);
      hn::StoreU(hn::IfThenElseZero(hn::Lt(s, hn::Zero(d)), quotient), d, weight + j);
    });
  }
}

/// sum + weight * sign(other - own); the sign of NaN is 0.
template <class D>
HWY_INLINE Vec<D> add_sign(D d, Vec<D> weight, Vec<D> other, Vec<D> own, Vec<D> sum) {
  const auto one = hn::Set(d, 1.0F);
  const auto sign = hn::Sub(hn::IfThenElseZero(hn::Gt(other, own), one), hn::IfThenElseZero(hn::Lt(other, own), one));
  return hn::Add(sum, hn::Mul(weight, sign));
}

/// From the weight of an own or another vector to that of the next.
struct WeightStrides {
  std::size_t own;
  std::size_t other;
};

/// Columns c .. c + 4 registers of sum_s weights[s * stride] * sign(others[s] - own).
HWY_INLINE void l1_wide(const float* weights, std::size_t stride, ConstMatrix others, const float* own, std::size_t c,
                        float* out) {
  const Full d;
  const std::size_t lanes = hn::Lanes(d);
  const Vec<Full> x0 = hn::LoadU(d, own + c), x1 = hn::LoadU(d, own + c + lanes);
  const Vec<Full> x2 = hn::LoadU(d, own + c + 2 * lanes), x3 = hn::LoadU(d, own + c + 3 * lanes);
  Vec<Full> s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (std::size_t s = 0; s < others.rows; ++s) {
    const float* row = others.row(s) + c;
    const Vec<Full> weight = hn::Set(d, weights[s * stride]);
    s0 = add_sign(d, weight, hn::LoadU(d, row), x0, s0);
    s1 = add_sign(d, weight, hn::LoadU(d, row + lanes), x1, s1);
    s2 = add_sign(d, weight, hn::LoadU(d, row + 2 * lanes), x2, s2);
    s3 = add_sign(d, weight, hn::LoadU(d, row + 3 * lanes), x3, s3);
  }
  hn::StoreU(s0, d, out + c);
  hn::StoreU(s1, d, out + c + lanes);
  hn::StoreU(s2, d, out + c + 2 * lanes);
  hn::StoreU(s3, d, out + c + 3 * lanes);
}

/// out[x] = sum_s weight(x, s) * sign(others[s] - own[x]).
HWY_INLINE void l1_gradients(const float* weights, WeightStrides stride, ConstMatrix own, ConstMatrix others,
                             Matrix out) {
  const std::size_t wide = 4 * hn::Lanes(Full());
  const std::size_t done = out.cols / wide * wide;
  for (std::size_t x = 0; x < out.rows; ++x) {
    const float* of_own = weights + x * stride.own;
    const float* at = own.row(x);
    float* to = out.row(x);
    for (std::size_t c = 0; c < done; c += wide) l1_wide(of_own, stride.other, others, at, c, to);
    for_columns(out.cols - done, [=](auto d, std::size_t rest) HWY_ATTR {
      const std::size_t c = done + rest;
      auto sum = hn::Zero(d);
      for (std::size_t s = 0; s < others.rows; ++s)
        sum = add_sign(d, hn::Set(d, of_own[s * stride.other]), hn::LoadU(d, others.row(s) + c), hn::LoadU(d, at + c),
                       sum);
      hn::StoreU(sum, d, to + c);
    });
  }
}

void l1_to_queries(ConstMatrix weights, ConstMatrix queries, ConstMatrix rows, Matrix out) {
  l1_gradients(weights.data, {weights.stride, 1}, queries, rows, out);
}

void l1_to_rows(ConstMatrix weights, ConstMatrix queries, ConstMatrix rows, Matrix out) {
  l1_gradients(weights.data, {1, weights.stride}, rows, queries, out);
}

/// out = sum * own - out.
void finish_l2_row(float sum, const float* own, float* out, std::size_t columns) {
  for_columns(columns, [=](auto d, std::size_t c) HWY_ATTR {
    hn::StoreU(hn::Sub(hn::Mul(hn::Set(d, sum), hn::LoadU(d, own + c)), hn::LoadU(d, out + c)), d, out + c);
  });
}

/// sums[j] += row[j].
void add_row(const float* row, float* sums, std::size_t columns) {
  for_columns(columns, [=](auto d, std::size_t j) HWY_ATTR {
    hn::StoreU(hn::Add(hn::LoadU(d, sums + j), hn::LoadU(d, row + j)), d, sums + j);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(to_coefficients);
HWY_EXPORT(l1_to_queries);
HWY_EXPORT(l1_to_rows);
HWY_EXPORT(finish_l2_row);
HWY_EXPORT(add_row);

namespace {

class CpuDistances final : public Distances {
 public:
  void to_coefficients(ConstMatrix scores, Matrix weights) const override {
    kernels::detail::check_same_shape(scores, weights);
    HWY_DYNAMIC_DISPATCH(to_coefficients)(scores, weights);
  }

  void to_queries(Similarity similarity, ConstMatrix weights, ConstMatrix queries, ConstMatrix rows,
                  Matrix out) const override {
    kernels::detail::check_distance_gradients(similarity, weights, queries, rows, queries, out);
    if (similarity == Similarity::kNegativeL1) return HWY_DYNAMIC_DISPATCH(l1_to_queries)(weights, queries, rows, out);
    gradients().to_queries(weights, rows, out);
    for (std::size_t i = 0; i < out.rows; ++i) {
      float sum = 0;
      for (std::size_t j = 0; j < weights.cols; ++j) sum += weights.row(i)[j];
      HWY_DYNAMIC_DISPATCH(finish_l2_row)(sum, queries.row(i), out.row(i), out.cols);
    }
  }

  void to_rows(Similarity similarity, ConstMatrix weights, ConstMatrix queries, ConstMatrix rows,
               Matrix out) const override {
    kernels::detail::check_distance_gradients(similarity, weights, queries, rows, rows, out);
    if (similarity == Similarity::kNegativeL1) return HWY_DYNAMIC_DISPATCH(l1_to_rows)(weights, queries, rows, out);
    gradients().to_rows(weights, queries, out);
    std::array<float, 256> sums;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    for (std::size_t first = 0; first < out.rows; first += sums.size()) {
      const std::size_t count = std::min(sums.size(), out.rows - first);
      sums.fill(0);
      for (std::size_t i = 0; i < weights.rows; ++i)
        HWY_DYNAMIC_DISPATCH(add_row)(weights.row(i) + first, sums.data(), count);
      for (std::size_t j = first; j < first + count; ++j)
        HWY_DYNAMIC_DISPATCH(finish_l2_row)(sums.at(j - first), rows.row(j), out.row(j), out.cols);
    }
  }

  void pairs(Similarity similarity, std::span<const float> weights, std::span<const float> scores, ConstMatrix queries,
             ConstMatrix rows, Matrix query_gradients, Matrix row_gradients) const override {
    reference::distances().pairs(similarity, weights, scores, queries, rows, query_gradients, row_gradients);
  }
};

}  // namespace

const Distances& distances() {
  static const CpuDistances instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
