// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/bfloat16.hpp"
#include "kernels/cpu/families.hpp"
#include "kernels/cpu/targets.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/detail/tiles.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/bfloat16_products.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/pair_product_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

/// Nobody calls the products of a target without them.
bool has_pairs() { return TESSERA_HAS_PAIRS != 0; }

#if TESSERA_HAS_PAIRS
void pair_scores(ConstMatrix queries, ConstMatrix rows, Matrix out) {
  pair_product(PairedRows<false>{queries}, PairedTransposed{rows}, rows.cols, out);
}

void pair_to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) {
  pair_product(PairedRows<true>{weights}, PairedScaled{rows}, rows.rows, out);
}

void pair_to_rows(ConstMatrix weights, const float* factors, ConstMatrix queries, Matrix out) {
  pair_product(PairedColumns{weights}, PairedScaled{queries, factors}, queries.rows, out);
}
#else
void pair_scores(ConstMatrix /*queries*/, ConstMatrix /*rows*/, Matrix /*out*/) {}
void pair_to_queries(ConstMatrix /*weights*/, ConstMatrix /*rows*/, Matrix /*out*/) {}
void pair_to_rows(ConstMatrix /*weights*/, const float* /*factors*/, ConstMatrix /*queries*/, Matrix /*out*/) {}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(has_pairs);
HWY_EXPORT(pair_scores);
HWY_EXPORT(pair_to_queries);
HWY_EXPORT(pair_to_rows);

namespace {

class Bfloat16Scores final : public Scores {
 public:
  void all_pairs(Similarity similarity, Operand left, Operand right, Matrix out) const override {
    if (similarity != Similarity::kDot) return scores().all_pairs(similarity, left, right, out);
    kernels::detail::check_scores(left.matrix, right.matrix, out);
    HWY_DYNAMIC_DISPATCH(pair_scores)(left.matrix, right.matrix, out);
  }

  void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, std::span<float> out) const override {
    scores().pairs(similarity, queries, rows, out);
  }
};

class Bfloat16Gradients final : public kernels::detail::HostGradients {
 public:
  void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const override {
    kernels::detail::check_gradients(weights, out, rows);
    HWY_DYNAMIC_DISPATCH(pair_to_queries)(weights, rows, out);
  }

  void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const override {
    kernels::detail::check_gradients(weights, queries, out);
    HWY_DYNAMIC_DISPATCH(pair_to_rows)(weights, nullptr, queries, out);
  }

 private:
  void to_rows_scaled(ConstMatrix weights, const float* factors, ConstMatrix queries, Matrix out) const override {
    HWY_DYNAMIC_DISPATCH(pair_to_rows)(weights, factors, queries, out);
  }
};

bool processor_has_pairs() {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace

bool has_bfloat16_products() { return processor_has_pairs() && HWY_DYNAMIC_DISPATCH(has_pairs)(); }

const Scores& bfloat16_scores() {
  static const Bfloat16Scores instance;
  return instance;
}

const Gradients& bfloat16_gradients() {
  static const Bfloat16Gradients instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
