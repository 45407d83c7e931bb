// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/families.hpp"
#include "kernels/detail/shapes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/softmax.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/exponential_inl.hpp"
// clang-format on

// With m the highest logit, S = sum_j exp(logit_j - m) and a = t - m - shift, everything follows from a and S; the
// logits are only shifted by their own maximum, so nothing is lost to rounding where they are large.
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

float highest_logit(const float* logits, std::size_t count) {
  constexpr std::size_t kRegisters = 4;  // hide the latency of one maximum
  constexpr std::size_t kBlock = kRegisters * hn::MaxLanes(Full());
  const Full d;
  float highest = std::numeric_limits<float>::lowest();  // finite: rows without candidates need no special case
  if (count < kBlock) {
    for (std::size_t j = 0; j < count; ++j) highest = logits[j] > highest ? logits[j] : highest;
    return highest;
  }
  Vec<Full> parts[kRegisters];
  for (auto& part : parts) part = hn::Set(d, highest);
  for (std::size_t j = 0; j < count; j += kBlock) {
    const float* at = logits + std::min(j, count - kBlock);  // the last block may overlap
    for (std::size_t p = 0; p < kRegisters; ++p) parts[p] = hn::Max(parts[p], hn::LoadU(d, at + p * hn::MaxLanes(d)));
  }
  const Vec<Full> all = hn::Max(hn::Max(parts[0], parts[1]), hn::Max(parts[2], parts[3]));
  return hn::GetLane(hn::MaxOfLanes(d, all));
}

/// Replaces 16 logits by their exponentials and adds those to the 16 fixed lanes.
HWY_INLINE void exponentials_of_16(float* logits, float highest, Vec<Part16>* sums) {
  const Part16 d;
  for (std::size_t p = 0; p < kParts; ++p) {
    float* at = logits + p * hn::MaxLanes(d);
    const Vec<Part16> power = exponential(d, hn::Sub(hn::LoadU(d, at), hn::Set(d, highest)));
    hn::StoreU(power, d, at);
    sums[p] = hn::Add(sums[p], power);
  }
}

/// logits[j] <- exp(logits[j] - highest); returns their sum.
float exponentials(float* logits, std::size_t count, float highest) {
  const Part16 d;
  Vec<Part16> sums[kParts];
  for (auto& sum : sums) sum = hn::Zero(d);
  std::size_t j = 0;
  for (; j + kFixedLanes <= count; j += kFixedLanes) exponentials_of_16(logits + j, highest, sums);
  if (j < count) {
    HWY_ALIGN float lanes[kFixedLanes];
    std::fill_n(lanes, kFixedLanes, -std::numeric_limits<float>::infinity());  // adds 0 to the lanes that have no logit
    std::copy_n(logits + j, count - j, lanes);
    exponentials_of_16(lanes, highest, sums);
    std::copy_n(lanes, count - j, logits + j);
  }
  return sum_parts(sums);
}

float exponential_of(float x) { return hn::GetLane(exponential(One(), hn::Set(One(), x))); }

void cross_entropy_row(float* logits, std::size_t count, float target, float shift, float scale, float* loss,
                       float* target_weight) {
  const float highest = highest_logit(logits, count);
  const float sum = exponentials(logits, count, highest);
  const float ahead = (target - highest) - shift;  // of the target before the best candidate
  const float reference = ahead > 0 ? ahead : 0;
  const float target_power = exponential_of(ahead - reference);
  const float candidate_power = exponential_of(-reference);
  const float others = sum * candidate_power;
  const float total = target_power + others;
  *loss = static_cast<float>(std::log(static_cast<double>(target_power) + static_cast<double>(others)) -
                             static_cast<double>(ahead - reference));
  *target_weight = scale * -(others / total);  // p_target - 1 without cancellation
  const float factor = scale * candidate_power / total;
  for_columns(count, [=](auto d, std::size_t j) HWY_ATTR {
    hn::StoreU(hn::Mul(hn::LoadU(d, logits + j), hn::Set(d, factor)), d, logits + j);
  });
}

void cross_entropy(Matrix logits, const float* target_scores, float shift, float scale, float* losses,
                   float* target_weights) {
  for (std::size_t i = 0; i < logits.rows; ++i)
    cross_entropy_row(logits.row(i), logits.cols, target_scores[i], shift, scale, losses + i, target_weights + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(cross_entropy);

namespace {

class CpuSoftmax final : public Softmax {
 public:
  void cross_entropy(Matrix logits, std::span<const float> target_scores, float shift, float scale,
                     std::span<float> losses, std::span<float> target_weights) const override {
    kernels::detail::check_softmax(logits, target_scores, losses, target_weights);
    HWY_DYNAMIC_DISPATCH(cross_entropy)
    (logits, target_scores.data(), shift, scale, losses.data(), target_weights.data());
  }
};

}  // namespace

const Softmax& softmax() {
  static const CpuSoftmax instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
