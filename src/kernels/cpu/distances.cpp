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

/// The distance from the weight of an own or another vector to the weight of the next.
struct WeightStrides {
  std::size_t own;
  std::size_t other;
};

/// Four registers of columns of sum_s weights[s * stride] * sign(others[s] - own).
HWY_INLINE void l1_wide(const float* weights, std::size_t stride, ConstMatrix others, const float* own, float* out) {
  const Full d;
  const std::size_t lanes = hn::Lanes(d);
  Vec<Full> x[4];
  Vec<Full> sums[4];
  HWY_UNROLL(4)
  for (std::size_t v = 0; v < 4; ++v) {
    x[v] = hn::LoadU(d, own + v * lanes);
    sums[v] = hn::Zero(d);
  }
  for (std::size_t s = 0; s < others.rows; ++s) {
    const float* row = others.row(s);
    const Vec<Full> weight = hn::Set(d, weights[s * stride]);
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < 4; ++v) sums[v] = add_sign(d, weight, hn::LoadU(d, row + v * lanes), x[v], sums[v]);
  }
  HWY_UNROLL(4)
  for (std::size_t v = 0; v < 4; ++v) hn::StoreU(sums[v], d, out + v * lanes);
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
    for (std::size_t c = 0; c < done; c += wide) l1_wide(of_own, stride.other, others.columns(c, wide), at + c, to + c);
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

void l1_to_queries(const WeightedScores& of, Matrix out) {
  l1_gradients(of.weights.data, {of.weights.stride, 1}, of.queries, of.rows, out);
}

void l1_to_rows(const WeightedScores& of, Matrix out) {
  l1_gradients(of.weights.data, {1, of.weights.stride}, of.rows, of.queries, out);
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

  void to_queries(Similarity similarity, const WeightedScores& of, Matrix out) const override {
    kernels::detail::check_distance_gradients(similarity, of, of.queries, out);
    if (similarity == Similarity::kNegativeL1) return HWY_DYNAMIC_DISPATCH(l1_to_queries)(of, out);
    gradients().to_queries(of.weights, of.rows, out);
    for (std::size_t i = 0; i < out.rows; ++i) {
      float sum = 0;
      for (std::size_t j = 0; j < of.weights.cols; ++j) sum += of.weights.row(i)[j];
      HWY_DYNAMIC_DISPATCH(finish_l2_row)(sum, of.queries.row(i), out.row(i), out.cols);
    }
  }

  void to_rows(Similarity similarity, const WeightedScores& of, Matrix out) const override {
    kernels::detail::check_distance_gradients(similarity, of, of.rows, out);
    if (similarity == Similarity::kNegativeL1) return HWY_DYNAMIC_DISPATCH(l1_to_rows)(of, out);
    gradients().to_rows(of.weights, of.queries, out);
    std::array<float, 256> sums;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    for (std::size_t first = 0; first < out.rows; first += sums.size()) {
      const std::size_t count = std::min(sums.size(), out.rows - first);
      sums.fill(0);
      for (std::size_t i = 0; i < of.weights.rows; ++i)
        HWY_DYNAMIC_DISPATCH(add_row)(of.weights.row(i) + first, sums.data(), count);
      for (std::size_t j = first; j < first + count; ++j)
        HWY_DYNAMIC_DISPATCH(finish_l2_row)(sums.at(j - first), of.rows.row(j), out.row(j), out.cols);
    }
  }

  void pairs(Similarity similarity, const WeightedPairs& of, Matrix query_gradients,
             Matrix row_gradients) const override {
    reference::distances().pairs(similarity, of, query_gradients, row_gradients);
  }
};

}  // namespace

const Distances& distances() {
  static const CpuDistances instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
