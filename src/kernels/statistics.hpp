// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/lane_sum.hpp"
#include "kernels/matrix.hpp"

#include <cmath>
#include <cstdint>

namespace tessera::kernels {

/// What is merged over parts for one query: of a softmax (maximum score, sum of exponentials below it), of a binary
/// cross entropy two plain sums (of softplus and of scores). In double and on the host and the device alike, but for
/// the last bit of exp and log.
struct Statistic {
  double first;
  double second;
};

/// Online softmax (Milakov and Gimelshein, 2018): sums of exponentials below different maxima.
TESSERA_HOST_DEVICE inline Statistic merge_softmax(const Statistic& a, const Statistic& b) {
  const double maximum = a.first < b.first ? b.first : a.first;
  return {maximum, a.second * std::exp(a.first - maximum) + b.second * std::exp(b.first - maximum)};
}

TESSERA_HOST_DEVICE inline Statistic merge_sums(const Statistic& a, const Statistic& b) {
  return {a.first + b.first, a.second + b.second};
}

/// One part of a softmax, from its tiles in kTileLanes lanes: sums[t] are exponentials below the maximum of tile t,
/// powers[t] = exp(that maximum - the maximum of the part), and a candidate stands for exp(shift) rows.
inline Statistic softmax_of_part(const float* powers, const float* sums, std::size_t tiles, float maximum,
                                 float shift) {
  return {static_cast<double>(maximum) + static_cast<double>(shift), lane_sum<kTileLanes>(tiles, [&](std::size_t t) {
            return static_cast<double>(sums[t]) * static_cast<double>(powers[t]);
          })};
}

/// One part of a binary cross entropy, likewise.
inline Statistic sums_of_part(const float* softplus, const float* sums, std::size_t tiles) {
  return {lane_sum<kTileLanes>(tiles, [&](std::size_t t) { return static_cast<double>(softplus[t]); }),
          lane_sum<kTileLanes>(tiles, [&](std::size_t t) { return static_cast<double>(sums[t]); })};
}

/// The loss of a step is `scale` times the sum over all targets. Exact: the candidates are all rows, the targets among
/// them; else every query has one target, which counts besides the sampled candidates.
struct SoftmaxLoss {
  float scale = 1;
  bool is_exact = true;
};

/// As above for binary cross entropy of every row against its label: offset, and of a target 1 - smoothing more.
struct BinaryLoss {
  float scale = 1;
  double smoothing = 0;
  float offset = 0;  ///< smoothing / entities
};

/// What follows for one query.
struct LossTerms {
  double loss;           ///< of all of its targets
  double target_weight;  ///< of a target's score, in the gradient of the loss
  double reference;      ///< the weight of a candidate of a softmax is gain * exp(score - reference) / total
  double gain;
  double total;
  /// The weight of an exponential below `maximum` of a part.
  [[nodiscard]] TESSERA_HOST_DEVICE float factor(float maximum, float shift) const {
    return static_cast<float>(gain * std::exp(static_cast<double>(maximum) + static_cast<double>(shift) - reference) /
                              total);
  }
};

/// The sum of the scores of a query's targets, in kTileLanes lanes.
inline double target_score_sum(const float* target_scores, std::size_t count) {
  return lane_sum<kTileLanes>(count, [&](std::size_t k) { return static_cast<double>(target_scores[k]); });
}

/// From the statistic over all candidates and target_score_sum() of the `count` targets.
TESSERA_HOST_DEVICE inline LossTerms loss_terms(SoftmaxLoss of, const Statistic& all, double score_sum,
                                                std::size_t count) {
  const auto targets = static_cast<double>(count);
  const double reference = !of.is_exact && all.first < score_sum ? score_sum : all.first;
  const double others = all.second * std::exp(all.first - reference);
  const double total = of.is_exact ? others : others + std::exp(score_sum - reference);
  const double weight = of.is_exact ? 1 : others / total;
  const auto scale = static_cast<double>(of.scale);
  return {targets * (reference + std::log(total)) - score_sum, -scale * weight, reference, scale * targets, total};
}

TESSERA_HOST_DEVICE inline LossTerms loss_terms(BinaryLoss of, const Statistic& all, double score_sum,
                                                std::size_t /*count*/) {
  const double label = 1 - of.smoothing;
  const auto scale = static_cast<double>(of.scale);
  return {all.first - static_cast<double>(of.offset) * all.second - label * score_sum, -scale * label, 0, scale, 1};
}

/// Losses added up over an epoch, and the first step whose sum is no finite number: there one of its losses is none.
struct LossSum {
  static constexpr std::uint64_t kNone = UINT64_MAX;
  double sum = 0;
  std::uint64_t bad_step = kNone;
  /// `loss`: the sum of a step.
  TESSERA_HOST_DEVICE void add(double loss, std::uint64_t step) {
    sum += loss;
    if (bad_step == kNone && !(loss - loss == 0)) bad_step = step;
  }
};

/// The loss over candidates that lie in parts and tiles. B queries, T tiles of a part.
template <Space kSpace>
class BasicStatistics {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  virtual ~BasicStatistics() = default;
  /// out[i] = softmax_of_part() of powers[i], sums[i], both [B, T], and maxima[i].
  virtual void of_part(ConstMatrix powers, ConstMatrix sums, Vector<const float> maxima, float shift,
                       Vector<Statistic> out) const = 0;
  /// out[i] = sums_of_part() of softplus[i], sums[i], both [B, T].
  virtual void of_part(ConstMatrix softplus, ConstMatrix sums, Vector<Statistic> out) const = 0;
  /// into[i] = merge_softmax(into[i], right[i]).
  virtual void merge(Vector<const Statistic> right, Vector<Statistic> into) const = 0;
  /// into[i] = merge_sums(into[i], right[i]).
  virtual void add(Vector<const Statistic> right, Vector<Statistic> into) const = 0;
  /// terms[i] = loss_terms() of all[i] and the targets first_target[i] .. first_target[i + 1] - 1, whose weights go to
  /// target_weights; first_target [B + 1].
  virtual void terms(SoftmaxLoss of, Vector<const Statistic> all, Vector<const float> target_scores,
                     Vector<const std::uint32_t> first_target, Vector<LossTerms> terms,
                     Vector<float> target_weights) const = 0;
  virtual void terms(BinaryLoss of, Vector<const Statistic> all, Vector<const float> target_scores,
                     Vector<const std::uint32_t> first_target, Vector<LossTerms> terms,
                     Vector<float> target_weights) const = 0;
  /// out[t][i] = powers[i][t] * terms[i].factor(maxima[i], shift); powers [B, T], out [T, B].
  virtual void factors(ConstMatrix powers, Vector<const float> maxima, float shift, Vector<const LossTerms> terms,
                       Matrix out) const = 0;
  /// sum[0] takes the sum of the losses in kLossLanes lanes.
  virtual void add_losses(Vector<const LossTerms> terms, std::uint64_t step, Vector<LossSum> sum) const = 0;
  /// As above for weight * losses[i].
  virtual void add_losses(double weight, Vector<const float> losses, std::uint64_t step, Vector<LossSum> sum) const = 0;
  /// sum[0] takes the losses one after the other.
  virtual void add_each_loss(Vector<const float> losses, std::uint64_t step, Vector<LossSum> sum) const = 0;
};

}  // namespace tessera::kernels
