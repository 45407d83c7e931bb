// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/families.hpp"
#include "kernels/detail/shapes.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/scores.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/product_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

void all_pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, Matrix out) {
  const RowFactor left{queries.data, queries.stride};
  const TransposedFactor right{rows};
  switch (similarity) {
    case Similarity::kDot: return product<DotChain>(left, right, rows.cols, out);
    case Similarity::kNegativeL1: return product<NegativeL1Chain>(left, right, rows.cols, out);
    case Similarity::kNegativeL2: return product<NegativeL2Chain>(left, right, rows.cols, out);
  }
}

constexpr std::size_t kPairBlock = 4 * kLanes;  // four registers of chains hide the latency of one addition
constexpr std::size_t kPairSteps = 64;

/// Pairs first .. first + count of the two matrices, count <= kPairBlock; each lane is one pair.
template <class Chain>
void pairs_block(ConstMatrix queries, ConstMatrix rows, std::size_t first, std::size_t count, float* out) {
  const Full d;
  HWY_ALIGN float left[kPairSteps * kPairBlock];
  HWY_ALIGN float right[kPairSteps * kPairBlock];
  HWY_ALIGN float finished[kPairBlock];
  Vec<Full> sums[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  for (std::size_t s = 0; s < rows.cols; s += kPairSteps) {
    const std::size_t steps = std::min(kPairSteps, rows.cols - s);
    TransposedFactor{queries}.pack({first, count}, {s, steps}, left, kPairBlock);
    TransposedFactor{rows}.pack({first, count}, {s, steps}, right, kPairBlock);
    for (std::size_t k = 0; k < steps; ++k)
      for (std::size_t v = 0; v < 4; ++v)
        sums[v] = Chain::step(hn::Load(d, left + k * kPairBlock + v * kLanes),
                              hn::Load(d, right + k * kPairBlock + v * kLanes), sums[v]);
  }
  for (std::size_t v = 0; v < 4; ++v) hn::Store(Chain::finish(sums[v]), d, finished + v * kLanes);
  std::copy_n(finished, count, out);
}

template <class Chain>
void all_pair_blocks(ConstMatrix queries, ConstMatrix rows, float* out) {
  for (std::size_t i = 0; i < rows.rows; i += kPairBlock)
    pairs_block<Chain>(queries, rows, i, std::min(kPairBlock, rows.rows - i), out + i);
}

void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, float* out) {
  switch (similarity) {
    case Similarity::kDot: return all_pair_blocks<DotChain>(queries, rows, out);
    case Similarity::kNegativeL1: return all_pair_blocks<NegativeL1Chain>(queries, rows, out);
    case Similarity::kNegativeL2: return all_pair_blocks<NegativeL2Chain>(queries, rows, out);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(all_pairs);
HWY_EXPORT(pairs);

namespace {

class CpuScores final : public Scores {
 public:
  void all_pairs(Similarity similarity, Operand left, Operand right, Matrix out) const override {
    const ConstMatrix& queries = left.matrix;
    const ConstMatrix& rows = right.matrix;
    kernels::detail::check_scores(queries, rows, out);
    HWY_DYNAMIC_DISPATCH(all_pairs)(similarity, queries, rows, out);
  }

  void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, std::span<float> out) const override {
    kernels::detail::check_pairs(queries, rows, out);
    HWY_DYNAMIC_DISPATCH(pairs)(similarity, queries, rows, out.data());
  }
};

}  // namespace

const Scores& scores() {
  static const CpuScores instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
