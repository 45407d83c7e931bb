// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/lane_sum.hpp"
#include "kernels/matrix.hpp"

#include <cmath>
#include <cstdint>
#include <variant>

namespace tessera::kernels {

/// A part's knowledge of one query, which is merged over parts. A softmax has the maximum score and the sum of
/// exponentials below it, a binary cross entropy has two plain sums, of softplus and of scores. Host and device compute
/// in double and give the same bits, but for the last bit of exp and log.
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

/// The statistic of one part of a softmax, added up over tiles in kTileLanes lanes: sums[t] are exponentials below the
/// maximum of tile t, powers[t] = exp(that maximum - the maximum of the part), and a candidate stands for exp(shift)
/// rows.
inline Statistic softmax_of_part(const float* powers, const float* sums, std::size_t tiles, float maximum,
                                 float shift) {
  return {static_cast<double>(maximum) + static_cast<double>(shift), lane_sum<kTileLanes>(tiles, [&](std::size_t t) {
            return static_cast<double>(sums[t]) * static_cast<double>(powers[t]);
          })};
}

/// The statistic of one part of a binary cross entropy, added up in the same lanes.
inline Statistic sums_of_part(const float* softplus, const float* sums, std::size_t tiles) {
  return {lane_sum<kTileLanes>(tiles, [&](std::size_t t) { return static_cast<double>(softplus[t]); }),
          lane_sum<kTileLanes>(tiles, [&](std::size_t t) { return static_cast<double>(sums[t]); })};
}

/// Softmax cross entropy: the loss of a step is `scale` times the sum over all targets. It is exact where the
/// candidates are all rows, the targets among them; else every query has one target, which counts besides the sampled
/// candidates.
struct SoftmaxLoss {
  float scale = 1;
  bool is_exact = true;
};

/// Binary cross entropy of every row against its label, scaled likewise. The label is `offset`, and 1 - smoothing more
/// for a target.
struct BinaryLoss {
  float scale = 1;
  double smoothing = 0;
  float offset = 0;  ///< smoothing / entities
};

using CandidateLoss = std::variant<SoftmaxLoss, BinaryLoss>;

/// The loss of one query, and the weights of scores in its gradient.
struct LossTerms {
  double loss;           ///< the sum over the query's targets
  double target_weight;  ///< the weight of the score of each target that counts once
  double reference;      ///< the weight of a candidate of a softmax is gain * exp(score - reference) / total
  double gain;
  double total;
  /// The weight of an exponential below `maximum`, the maximum of a part.
  [[nodiscard]] TESSERA_HOST_DEVICE float factor(float maximum, float shift) const {
    return static_cast<float>(gain * std::exp(static_cast<double>(maximum) + static_cast<double>(shift) - reference) /
                              total);
  }
};

/// The sum of the scores of a query's targets, in kTileLanes lanes.
inline double target_score_sum(const float* target_scores, std::size_t count) {
  return lane_sum<kTileLanes>(count, [&](std::size_t k) { return static_cast<double>(target_scores[k]); });
}

/// What a target that counts `times` times adds to target_score_sum(). A sampled query has one target, whose score is
/// taken as it is.
TESSERA_HOST_DEVICE inline double counted_score(const SoftmaxLoss& of, float score, float times) {
  return static_cast<double>(score) * (of.is_exact ? static_cast<double>(times) : 1.0);
}
TESSERA_HOST_DEVICE inline double counted_score(const BinaryLoss& /*of*/, float score, float /*times*/) {
  return static_cast<double>(score);
}

/// The terms of a query from its statistic over all candidates and target_score_sum() of its targets, which count
/// `targets` times together. Where the softmax is not exact, `score_sum` is the score of its only target, which counts
/// `targets` times.
TESSERA_HOST_DEVICE inline LossTerms loss_terms(SoftmaxLoss of, const Statistic& all, double score_sum,
                                                double targets) {
  const double reference = !of.is_exact && all.first < score_sum ? score_sum : all.first;
  const double others = all.second * std::exp(all.first - reference);
  const double total = of.is_exact ? others : others + std::exp(score_sum - reference);
  const double weight = of.is_exact ? 1 : others / total;
  const auto scale = static_cast<double>(of.scale);
  const double normaliser = reference + std::log(total);
  const double loss = of.is_exact ? targets * normaliser - score_sum : targets * (normaliser - score_sum);
  return {loss, -scale * weight, reference, scale * targets, total};
}

TESSERA_HOST_DEVICE inline LossTerms loss_terms(BinaryLoss of, const Statistic& all, double score_sum,
                                                double /*targets*/) {
  const double label = 1 - of.smoothing;
  const auto scale = static_cast<double>(of.scale);
  return {all.first - static_cast<double>(of.offset) * all.second - label * score_sum, -scale * label, 0, scale, 1};
}

/// Losses added up over an epoch, and the first step whose sum is no finite number.
struct LossSum {
  static constexpr std::uint64_t kNone = UINT64_MAX;
  double sum = 0;
  std::uint64_t bad_step = kNone;
  /// Adds the sum of a step.
  TESSERA_HOST_DEVICE void add(double loss, std::uint64_t step) {
    sum += loss;
    if (bad_step == kNone && !(loss - loss == 0)) bad_step = step;
  }
};

/// Targets of B queries: those of query i are first[i] .. first[i + 1] - 1. Without `times` all of them count once.
template <Space kSpace>
struct BasicQueryTargets {
  Vector<kSpace, const float> scores;
  Vector<kSpace, const std::uint32_t> first;  ///< [B + 1]
  Vector<kSpace, float> weights;              ///< a loss writes them
  Vector<kSpace, const float> times = {};     ///< how often each target counts, in a softmax
};

/// The loss of B queries over candidates that lie in parts, each of T tiles.
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
  /// terms[i] = loss_terms() of all[i] and the targets of query i.
  virtual void terms(const CandidateLoss& of, Vector<const Statistic> all, const BasicQueryTargets<kSpace>& targets,
                     Vector<LossTerms> terms) const = 0;
  /// out[t][i] = powers[i][t] * terms[i].factor(maxima[i], shift); powers [B, T], out [T, B].
  virtual void factors(ConstMatrix powers, Vector<const float> maxima, float shift, Vector<const LossTerms> terms,
                       Matrix out) const = 0;
  /// sum[0] takes the sum of the losses in kLossLanes lanes.
  virtual void add_losses(Vector<const LossTerms> terms, std::uint64_t step, Vector<LossSum> sum) const = 0;
  /// sum[0] takes the sum of weight * losses[i] in the same lanes.
  virtual void add_losses(double weight, Vector<const float> losses, std::uint64_t step, Vector<LossSum> sum) const = 0;
  /// sum[0] takes the losses one after the other.
  virtual void add_each_loss(Vector<const float> losses, std::uint64_t step, Vector<LossSum> sum) const = 0;
};

}  // namespace tessera::kernels
