// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/targets.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

struct PartStatistic {
  ConstTable powers;
  ConstTable sums;
  std::size_t tiles;
  const float* highest;
  float shift;
  Statistic* out;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const {
    out[i] = softmax_of_part(powers.row(i), sums.row(i), tiles, highest[i], shift);
  }
};

struct MergeStatistic {
  const Statistic* right;
  Statistic* into;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const { into[i] = merge_softmax(into[i], right[i]); }
};

struct QueryTerms {
  SoftmaxLoss of;
  const Statistic* all;
  const float* target_scores;
  const std::uint32_t* first_target;
  SoftmaxTerms* terms;
  float* target_weights;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const {
    const std::uint32_t first = first_target[i];
    const std::uint32_t end = first_target[i + 1];
    const SoftmaxTerms own = softmax_terms(of, all[i], target_scores + first, end - first);
    for (std::uint32_t e = first; e < end; ++e) target_weights[e] = static_cast<float>(own.target_weight);
    terms[i] = own;
  }
};

/// Of tile t and query i.
struct FactorElement {
  ConstTable powers;
  const float* highest;
  float shift;
  const SoftmaxTerms* terms;
  Table out;
  TESSERA_HOST_DEVICE void operator()(std::size_t t, std::size_t i) const {
    out.row(t)[i] = powers.row(i)[t] * terms[i].factor(highest[i], shift);
  }
};

struct TermLosses {
  const SoftmaxTerms* terms;
  TESSERA_HOST_DEVICE double operator()(std::size_t i) const { return terms[i].loss; }
};

struct WeightedLosses {
  double weight;
  const float* losses;
  TESSERA_HOST_DEVICE double operator()(std::size_t i) const { return weight * static_cast<double>(losses[i]); }
};

/// One block: its threads bring losses together, its first one adds them in order.
template <class Losses>
struct AddLossesBody {
  static constexpr unsigned kThreads = 128;
  struct Shared {
    double losses[kThreads];
  };
  struct Registers {
    LossSum sum;
  };
  Losses losses;
  std::size_t count;
  std::uint64_t step;
  LossSum* sum;

  /// Bring and add for each kThreads of them, then write.
  TESSERA_HOST_DEVICE unsigned phases() const {
    return static_cast<unsigned>(2 * ((count + kThreads - 1) / kThreads) + 1);
  }
  TESSERA_HOST_DEVICE void run(unsigned phase, At at, Shared& shared, Registers& registers) const {
    const std::size_t first = static_cast<std::size_t>(phase / 2) * kThreads;
    if (phase % 2 == 0 && first + at.thread < count) shared.losses[at.thread] = losses(first + at.thread);
    if (at.thread != 0) return;
    if (phase == 0) registers.sum = *sum;
    if (first >= count) {
      *sum = registers.sum;
    } else if (phase % 2 == 1) {
      const std::size_t end = count - first < kThreads ? count - first : kThreads;
      for (std::size_t k = 0; k < end; ++k) registers.sum.add(shared.losses[k], step);
    }
  }
};

template <class Launcher>
class GridStatistics final : public BasicStatistics<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  template <class T>
  using Vector = kernels::Vector<Launcher::kSpace, T>;

 public:
  explicit GridStatistics(Launcher launch) : launch_(launch) {}

  void of_part(ConstMatrix powers, ConstMatrix sums, Vector<const float> highest, float shift,
               Vector<Statistic> out) const override {
    kernels::detail::check_part_statistics(powers, sums, highest, out);
    launch_items(launch_, out.size(),
                 PartStatistic{ConstTable(powers), ConstTable(sums), powers.cols, highest.data(), shift, out.data()});
  }

  void merge(Vector<const Statistic> right, Vector<Statistic> into) const override {
    TESSERA_ASSERT(right.size() == into.size(), "statistics of different queries");
    launch_items(launch_, into.size(), MergeStatistic{right.data(), into.data()});
  }

  void terms(SoftmaxLoss of, Vector<const Statistic> all, Vector<const float> target_scores,
             Vector<const std::uint32_t> first_target, Vector<SoftmaxTerms> terms,
             Vector<float> target_weights) const override {
    kernels::detail::check_terms(all, target_scores, first_target, terms, target_weights);
    launch_items(
        launch_, terms.size(),
        QueryTerms{of, all.data(), target_scores.data(), first_target.data(), terms.data(), target_weights.data()});
  }

  void factors(ConstMatrix powers, Vector<const float> highest, float shift, Vector<const SoftmaxTerms> terms,
               Matrix out) const override {
    kernels::detail::check_part_factors(powers, highest, terms, out);
    launch_elements(launch_, out.rows, out.cols,
                    FactorElement{ConstTable(powers), highest.data(), shift, terms.data(), Table(out)});
  }

  void add_losses(Vector<const SoftmaxTerms> terms, std::uint64_t step, Vector<LossSum> sum) const override {
    add(TermLosses{terms.data()}, terms.size(), step, sum);
  }

  void add_losses(double weight, Vector<const float> losses, std::uint64_t step, Vector<LossSum> sum) const override {
    add(WeightedLosses{weight, losses.data()}, losses.size(), step, sum);
  }

 private:
  template <class Losses>
  void add(Losses losses, std::size_t count, std::uint64_t step, Vector<LossSum> sum) const {
    TESSERA_ASSERT(sum.size() == 1, "losses are added to one sum");
    launch_(1, AddLossesBody<Losses>{losses, count, step, sum.data()});
  }

  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
