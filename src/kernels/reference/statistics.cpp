// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>

namespace tessera::kernels::reference {
namespace {

/// Of targets first .. first + count - 1.
template <class Loss>
LossTerms weighted_terms(const Loss& of, const Statistic& all, const QueryTargets& targets, std::size_t first,
                         std::size_t count) {
  const auto times = targets.times.subspan(first, count);
  const double score_sum = lane_sum<kTileLanes>(
      count, [&](std::size_t k) { return counted_score(of, targets.scores[first + k], times[k]); });
  const double counted = lane_sum<kTileLanes>(count, [&](std::size_t k) { return static_cast<double>(times[k]); });
  const LossTerms terms = loss_terms(of, all, score_sum, counted);
  for (std::size_t k = 0; k < count; ++k)
    targets.weights[first + k] = static_cast<float>(terms.target_weight * static_cast<double>(times[k]));
  return terms;
}

class ReferenceStatistics final : public Statistics {
 public:
  void of_part(ConstMatrix powers, ConstMatrix sums, std::span<const float> maxima, float shift,
               std::span<Statistic> out) const override {
    detail::check_part_statistics(powers, sums, maxima, out);
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = softmax_of_part(powers.row(i), sums.row(i), powers.cols, maxima[i], shift);
  }

  void of_part(ConstMatrix softplus, ConstMatrix sums, std::span<Statistic> out) const override {
    detail::check_part_sums(softplus, sums, out);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = sums_of_part(softplus.row(i), sums.row(i), softplus.cols);
  }

  void merge(std::span<const Statistic> right, std::span<Statistic> into) const override {
    TESSERA_ASSERT(right.size() == into.size(), "statistics of different queries");
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = merge_softmax(into[i], right[i]);
  }

  void add(std::span<const Statistic> right, std::span<Statistic> into) const override {
    TESSERA_ASSERT(right.size() == into.size(), "statistics of different queries");
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = merge_sums(into[i], right[i]);
  }

  void terms(const CandidateLoss& loss, std::span<const Statistic> all, const QueryTargets& targets,
             std::span<LossTerms> terms) const override {
    detail::check_terms(loss, all, targets, terms);
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const std::size_t first = targets.first[i];
      const std::size_t count = targets.first[i + 1] - first;
      if (!targets.times.empty()) {
        terms[i] = std::visit([&](const auto& of) { return weighted_terms(of, all[i], targets, first, count); }, loss);
        continue;
      }
      const double score_sum = target_score_sum(targets.scores.data() + first, count);
      const auto once = static_cast<double>(count);
      terms[i] = std::visit([&](const auto& of) { return loss_terms(of, all[i], score_sum, once); }, loss);
      std::fill_n(targets.weights.data() + first, count, static_cast<float>(terms[i].target_weight));
    }
  }

  void factors(ConstMatrix powers, std::span<const float> maxima, float shift, std::span<const LossTerms> terms,
               Matrix out) const override {
    detail::check_part_factors(powers, maxima, terms, out);
    for (std::size_t i = 0; i < powers.rows; ++i) {
      const float factor = terms[i].factor(maxima[i], shift);
      for (std::size_t t = 0; t < powers.cols; ++t) out.row(t)[i] = powers.row(i)[t] * factor;
    }
  }

  void add_losses(std::span<const LossTerms> terms, std::uint64_t step, std::span<LossSum> sum) const override {
    TESSERA_ASSERT(sum.size() == 1, "losses are added to one sum");
    sum[0].add(lane_sum<kLossLanes>(terms.size(), [&](std::size_t i) { return terms[i].loss; }), step);
  }

  void add_losses(double weight, std::span<const float> losses, std::uint64_t step,
                  std::span<LossSum> sum) const override {
    TESSERA_ASSERT(sum.size() == 1, "losses are added to one sum");
    const auto loss = [&](std::size_t i) { return weight * static_cast<double>(losses[i]); };
    sum[0].add(lane_sum<kLossLanes>(losses.size(), loss), step);
  }

  void add_each_loss(std::span<const float> losses, std::uint64_t step, std::span<LossSum> sum) const override {
    TESSERA_ASSERT(sum.size() == 1, "losses are added to one sum");
    for (const float loss : losses) sum[0].add(static_cast<double>(loss), step);
  }
};

}  // namespace

const Statistics& statistics() {
  static const ReferenceStatistics instance;
  return instance;
}

}  // namespace tessera::kernels::reference
