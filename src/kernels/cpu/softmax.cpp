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

// With m the maximum logit, S = sum_j exp(logit_j - m) and a = t - m - shift, everything follows from a and S; the
// logits are only shifted by their own maximum, so nothing is lost to rounding where they are large.
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

/// The maximum has no -0: the registers decide which of 0 and -0 comes first.
float maximum_logit(const float* logits, std::size_t count) {
  constexpr std::size_t kRegisters = 4;  // hide the latency of one maximum
  constexpr std::size_t kBlock = kRegisters * hn::MaxLanes(Full());
  const Full d;
  float maximum = std::numeric_limits<float>::lowest();  // finite: rows without candidates need no special case
  if (count < kBlock) {
    for (std::size_t j = 0; j < count; ++j) maximum = logits[j] > maximum ? logits[j] : maximum;
    return maximum + 0.0F;
  }
  Vec<Full> parts[kRegisters];
  for (auto& part : parts) part = hn::Set(d, maximum);
  for (std::size_t j = 0; j < count; j += kBlock) {
    const float* at = logits + std::min(j, count - kBlock);  // the last block may overlap
    for (std::size_t p = 0; p < kRegisters; ++p) parts[p] = hn::Max(parts[p], hn::LoadU(d, at + p * hn::MaxLanes(d)));
  }
  const Vec<Full> all = hn::Max(hn::Max(parts[0], parts[1]), hn::Max(parts[2], parts[3]));
  return hn::GetLane(hn::MaxOfLanes(d, all)) + 0.0F;
}

/// Replaces 16 logits by their exponentials and adds those to the 16 fixed lanes.
HWY_INLINE void exponentials_of_16(float* logits, float maximum, Vec<Part16>* sums) {
  const Part16 d;
  for (std::size_t p = 0; p < kParts; ++p) {
    float* at = logits + p * hn::MaxLanes(d);
    const Vec<Part16> power = exponential(d, hn::Sub(hn::LoadU(d, at), hn::Set(d, maximum)));
    hn::StoreU(power, d, at);
    sums[p] = hn::Add(sums[p], power);
  }
}

/// logits[j] <- exp(logits[j] - maximum); returns their sum.
float exponentials(float* logits, std::size_t count, float maximum) {
  const Part16 d;
  Vec<Part16> sums[kParts];
  for (auto& sum : sums) sum = hn::Zero(d);
  std::size_t j = 0;
  for (; j + kFixedLanes <= count; j += kFixedLanes) exponentials_of_16(logits + j, maximum, sums);
  if (j < count) {
    HWY_ALIGN float lanes[kFixedLanes];
    std::fill_n(lanes, kFixedLanes, -std::numeric_limits<float>::infinity());  // adds 0 to the lanes that have no logit
    std::copy_n(logits + j, count - j, lanes);
    exponentials_of_16(lanes, maximum, sums);
    std::copy_n(lanes, count - j, logits + j);
  }
  return sum_parts(sums);
}

float exponential_of(float x) { return hn::GetLane(exponential(One(), hn::Set(One(), x))); }

/// The results of a row besides its weights.
struct RowResult {
  float loss;
  float target_weight;
};

RowResult cross_entropy_row(float* logits, std::size_t count, float target, float shift, float scale) {
  const float maximum = maximum_logit(logits, count);
  const float sum = exponentials(logits, count, maximum);
  const float ahead = (target - maximum) - shift;  // how far the target is before the best candidate
  const float reference = ahead > 0 ? ahead : 0;
  const float target_power = exponential_of(ahead - reference);
  const float candidate_power = exponential_of(-reference);
  const float others = sum * candidate_power;
  const float total = target_power + others;
  const float factor = scale * candidate_power / total;
  for_columns(count, [=](auto d, std::size_t j) HWY_ATTR {
    hn::StoreU(hn::Mul(hn::LoadU(d, logits + j), hn::Set(d, factor)), d, logits + j);
  });
  const double log_total = std::log(static_cast<double>(target_power) + static_cast<double>(others));
  return {static_cast<float>(log_total - static_cast<double>(ahead - reference)),
          scale * -(others / total)};  // p_target - 1 without cancellation
}

void cross_entropy(Matrix logits, const TargetLosses& targets, float shift, float scale) {
  for (std::size_t i = 0; i < logits.rows; ++i) {
    const float target = targets.priors.empty() ? targets.scores[i] : targets.scores[i] + targets.priors[i];
    const RowResult result = cross_entropy_row(logits.row(i), logits.cols, target, shift, targets.count(i, scale));
    targets.losses[i] = targets.count(i, result.loss);
    targets.weights[i] = result.target_weight;
  }
}

void all_exponentials(Matrix logits, std::size_t tile, Matrix maxima, Matrix sums) {
  for (std::size_t i = 0; i < logits.rows; ++i)
    for (std::size_t t = 0; t < maxima.cols; ++t) {
      float* at = logits.row(i) + t * tile;
      const std::size_t count = std::min(tile, logits.cols - t * tile);
      const float most = maximum_logit(at, count);
      maxima.row(i)[t] = most;
      sums.row(i)[t] = exponentials(at, count, most);
    }
}

/// Running sums of the logistic loss in the 16 fixed lanes. log(1 + e_1) + log(1 + e_2) + ... is the logarithm of a
/// product, which is taken before the product can overflow.
struct LogisticSums {
  static constexpr int kFactors = 64;  // each is at most 2
  Vec<Part16> positive[kParts];
  Vec<Part16> logits[kParts];
  Vec<Part16> product[kParts];
  double logarithms[kFixedLanes] = {};
  int factors = 0;

  LogisticSums() {
    for (std::size_t p = 0; p < kParts; ++p) {
      positive[p] = logits[p] = hn::Zero(Part16());
      product[p] = hn::Set(Part16(), 1.0F);
    }
  }

  /// Adds 16 logits, of which the first `count` are there, and replaces them by sigmoid - offset.
  HWY_INLINE void add_16(float* at, std::size_t count, float offset) {
    const Part16 d;
    const Vec<Part16> one = hn::Set(d, 1.0F);
    const Vec<Part16> zero = hn::Zero(d);
    for (std::size_t p = 0; p < kParts; ++p) {
      float* lanes = at + p * hn::MaxLanes(d);
      const std::size_t before = p * hn::MaxLanes(d);
      const auto there = hn::FirstN(d, count > before ? count - before : 0);
      const Vec<Part16> x = hn::LoadU(d, lanes);
      const Vec<Part16> power = exponential(d, hn::Neg(hn::Abs(x)));
      const Vec<Part16> more = hn::Add(one, power);
      const Vec<Part16> sigmoid = hn::Div(hn::IfThenElse(hn::Ge(x, zero), one, power), more);
      positive[p] = hn::Add(positive[p], hn::IfThenElseZero(there, hn::Max(x, zero)));
      logits[p] = hn::Add(logits[p], hn::IfThenElseZero(there, x));
      product[p] = hn::Mul(product[p], hn::IfThenElse(there, more, one));
      hn::StoreU(hn::Sub(sigmoid, hn::Set(d, offset)), d, lanes);
    }
    if (++factors == kFactors) take_logarithm();
  }

  void take_logarithm() {
    const Part16 d;
    HWY_ALIGN float lanes[kFixedLanes];
    for (std::size_t p = 0; p < kParts; ++p) {
      hn::Store(product[p], d, lanes + p * hn::MaxLanes(d));
      product[p] = hn::Set(d, 1.0F);
    }
    for (std::size_t l = 0; l < kFixedLanes; ++l) logarithms[l] += std::log(static_cast<double>(lanes[l]));
    factors = 0;
  }

  /// The sum over all lanes, added as their tree.
  double sum_logarithms() {
    take_logarithm();
    for (std::size_t width = kFixedLanes / 2; width > 0; width /= 2)
      for (std::size_t l = 0; l < width; ++l) logarithms[l] += logarithms[l + width];
    return logarithms[0];
  }
};

void logistic_row(float* logits, std::size_t count, float offset, float* softplus, float* sum) {
  LogisticSums sums;
  std::size_t j = 0;
  for (; j + kFixedLanes <= count; j += kFixedLanes) sums.add_16(logits + j, kFixedLanes, offset);
  if (j < count) {
    HWY_ALIGN float lanes[kFixedLanes] = {};
    std::copy_n(logits + j, count - j, lanes);
    sums.add_16(lanes, count - j, offset);
    std::copy_n(lanes, count - j, logits + j);
  }
  *softplus = static_cast<float>(sums.sum_logarithms() + static_cast<double>(sum_parts(sums.positive)));
  *sum = sum_parts(sums.logits);
}

void logistic(Matrix logits, std::size_t tile, float offset, Matrix softplus, Matrix sums) {
  for (std::size_t i = 0; i < logits.rows; ++i)
    for (std::size_t t = 0; t < sums.cols; ++t)
      logistic_row(logits.row(i) + t * tile, std::min(tile, logits.cols - t * tile), offset, softplus.row(i) + t,
                   sums.row(i) + t);
}

void add_to_columns(const float* values, Matrix logits) {
  for (std::size_t i = 0; i < logits.rows; ++i) {
    float* row = logits.row(i);
    for_columns(logits.cols, [=](auto d, std::size_t j) HWY_ATTR {
      hn::StoreU(hn::Add(hn::LoadU(d, row + j), hn::LoadU(d, values + j)), d, row + j);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(cross_entropy);
HWY_EXPORT(all_exponentials);
HWY_EXPORT(logistic);
HWY_EXPORT(add_to_columns);

namespace {

class CpuSoftmax final : public Softmax {
 public:
  void cross_entropy(Matrix logits, const TargetLosses& targets, float shift, float scale) const override {
    kernels::detail::check_losses(logits, targets);
    HWY_DYNAMIC_DISPATCH(cross_entropy)(logits, targets, shift, scale);
  }

  void add_to_columns(std::span<const float> values, Matrix logits) const override {
    kernels::detail::check_columns(values, logits);
    HWY_DYNAMIC_DISPATCH(add_to_columns)(values.data(), logits);
  }

  void exponentials(Matrix logits, std::size_t tile, Matrix maxima, Matrix sums) const override {
    kernels::detail::check_tile_results(logits, tile, maxima, sums);
    HWY_DYNAMIC_DISPATCH(all_exponentials)(logits, tile, maxima, sums);
  }

  void logistic(Matrix logits, std::size_t tile, float offset, Matrix softplus, Matrix sums) const override {
    kernels::detail::check_tile_results(logits, tile, softplus, sums);
    HWY_DYNAMIC_DISPATCH(logistic)(logits, tile, offset, softplus, sums);
  }
};

}  // namespace

const Softmax& softmax() {
  static const CpuSoftmax instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
