// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/lanes.hpp"
#include "kernels/cuda/detail/loss_sums.hpp"
#include "kernels/cuda/detail/targets.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

/// term() is what tile t adds to the statistic of query i; finish() makes the statistic of their sum.
struct SoftmaxTiles {
  ConstTable powers;
  ConstTable sums;
  const float* maxima;
  float shift;
  TESSERA_HOST_DEVICE Statistic term(std::size_t i, std::size_t t) const {
    return {0, static_cast<double>(sums.row(i)[t]) * static_cast<double>(powers.row(i)[t])};
  }
  TESSERA_HOST_DEVICE Statistic finish(std::size_t i, const Statistic& sum) const {
    return {static_cast<double>(maxima[i]) + static_cast<double>(shift), sum.second};
  }
};

struct BinaryTiles {
  ConstTable softplus;
  ConstTable sums;
  TESSERA_HOST_DEVICE Statistic term(std::size_t i, std::size_t t) const {
    return {static_cast<double>(softplus.row(i)[t]), static_cast<double>(sums.row(i)[t])};
  }
  TESSERA_HOST_DEVICE Statistic finish(std::size_t /*i*/, const Statistic& sum) const { return sum; }
};

/// The tiles of a query in kTileLanes lanes, each a thread.
template <class Tiles>
struct PartStatisticBody {
  static_assert(kLanes == kTileLanes);
  static constexpr unsigned kThreads = kLaneThreads;
  struct Shared {
    LaneValues<double> first;
    LaneValues<double> second;
  };
  struct Registers {};
  Tiles of;
  std::size_t queries;
  std::size_t tiles;
  Statistic* out;

  TESSERA_HOST_DEVICE unsigned phases() const { return 2; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& /*registers*/) const {
    const LaneAt at(index);
    if (at.row >= queries) return;
    if (phase == 0) {
      Statistic sum{0, 0};
      for (std::size_t t = at.lane; t < tiles; t += kLanes) sum = merge_sums(sum, of.term(at.row, t));
      shared.first.at[at.slot][at.lane] = sum.first;
      shared.second.at[at.slot][at.lane] = sum.second;
    } else if (at.lane == 0) {
      out[at.row] = of.finish(at.row, {sum_tree(shared.first.at[at.slot]), sum_tree(shared.second.at[at.slot])});
    }
  }
};

struct MergeStatistic {
  const Statistic* right;
  Statistic* into;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const { into[i] = merge_softmax(into[i], right[i]); }
};

struct AddStatistic {
  const Statistic* right;
  Statistic* into;
  TESSERA_HOST_DEVICE void operator()(std::size_t i) const { into[i] = merge_sums(into[i], right[i]); }
};

/// The targets of a query in kTileLanes lanes, each a thread.
template <class Loss>
struct QueryTermsBody {
  static constexpr unsigned kThreads = kLaneThreads;
  struct Shared {
    LaneValues<double> scores;
    LaneValues<double> counts;
  };
  struct Registers {};
  Loss of;
  const Statistic* all;
  const float* target_scores;
  const float* target_times;  // null: each counts once
  const std::uint32_t* first_target;
  std::size_t queries;
  LossTerms* terms;
  float* target_weights;

  TESSERA_HOST_DEVICE unsigned phases() const { return 2; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& /*registers*/) const {
    const LaneAt at(index);
    if (at.row >= queries) return;
    const std::uint32_t first = first_target[at.row];
    const std::uint32_t end = first_target[at.row + 1];
    if (phase == 0) {
      double sum = 0;
      double count = 0;
      for (std::size_t e = first + at.lane; e < end; e += kLanes) {
        sum += counted_score(of, target_scores[e], times(e));
        count += static_cast<double>(times(e));
      }
      shared.scores.at[at.slot][at.lane] = sum;
      shared.counts.at[at.slot][at.lane] = count;
      return;
    }
    const LossTerms own =
        loss_terms(of, all[at.row], sum_tree(shared.scores.at[at.slot]), sum_tree(shared.counts.at[at.slot]));
    for (std::size_t e = first + at.lane; e < end; e += kLanes)
      target_weights[e] = static_cast<float>(own.target_weight * static_cast<double>(times(e)));
    if (at.lane == 0) terms[at.row] = own;
  }

 private:
  [[nodiscard]] TESSERA_HOST_DEVICE float times(std::size_t target) const {
    return target_times == nullptr ? 1.0F : target_times[target];
  }
};

/// The factor of tile t and query i.
struct FactorElement {
  ConstTable powers;
  const float* maxima;
  float shift;
  const LossTerms* terms;
  Table out;
  TESSERA_HOST_DEVICE void operator()(std::size_t t, std::size_t i) const {
    out.row(t)[i] = powers.row(i)[t] * terms[i].factor(maxima[i], shift);
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

  void of_part(ConstMatrix powers, ConstMatrix sums, Vector<const float> maxima, float shift,
               Vector<Statistic> out) const override {
    kernels::detail::check_part_statistics(powers, sums, maxima, out);
    launch_part(SoftmaxTiles{ConstTable(powers), ConstTable(sums), maxima.data(), shift}, powers.cols, out);
  }

  void of_part(ConstMatrix softplus, ConstMatrix sums, Vector<Statistic> out) const override {
    kernels::detail::check_part_sums(softplus, sums, out);
    launch_part(BinaryTiles{ConstTable(softplus), ConstTable(sums)}, softplus.cols, out);
  }

  void merge(Vector<const Statistic> right, Vector<Statistic> into) const override {
    TESSERA_ASSERT(right.size() == into.size(), "statistics of different queries");
    launch_items(launch_, into.size(), MergeStatistic{right.data(), into.data()});
  }

  void add(Vector<const Statistic> right, Vector<Statistic> into) const override {
    TESSERA_ASSERT(right.size() == into.size(), "statistics of different queries");
    launch_items(launch_, into.size(), AddStatistic{right.data(), into.data()});
  }

  void terms(const CandidateLoss& loss, Vector<const Statistic> all, const BasicQueryTargets<Launcher::kSpace>& targets,
             Vector<LossTerms> terms) const override {
    kernels::detail::check_terms(loss, all, targets, terms);
    std::visit(
        [&]<class Loss>(const Loss& of) {
          launch_(blocks_of(kLaneRows, terms.size()),
                  QueryTermsBody<Loss>{of, all.data(), targets.scores.data(), targets.times.data(),
                                       targets.first.data(), terms.size(), terms.data(), targets.weights.data()});
        },
        loss);
  }

  void factors(ConstMatrix powers, Vector<const float> maxima, float shift, Vector<const LossTerms> terms,
               Matrix out) const override {
    kernels::detail::check_part_factors(powers, maxima, terms, out);
    launch_elements(launch_, out.rows, out.cols,
                    FactorElement{ConstTable(powers), maxima.data(), shift, terms.data(), Table(out)});
  }

  void add_losses(Vector<const LossTerms> terms, std::uint64_t step, Vector<LossSum> sum) const override {
    launch_losses(TermLosses{terms.data()}, terms.size(), step, sum);
  }

  void add_losses(double weight, Vector<const float> losses, std::uint64_t step, Vector<LossSum> sum) const override {
    launch_losses(WeightedLosses{weight, losses.data()}, losses.size(), step, sum);
  }

  void add_each_loss(Vector<const float> losses, std::uint64_t step, Vector<LossSum> sum) const override {
    TESSERA_ASSERT(sum.size() == 1, "losses are added to one sum");
    launch_(1, AddEachLossBody{losses.data(), losses.size(), step, sum.data()});
  }

 private:
  template <class Tiles>
  void launch_part(Tiles of, std::size_t tiles, Vector<Statistic> out) const {
    launch_(blocks_of(kLaneRows, out.size()), PartStatisticBody<Tiles>{of, out.size(), tiles, out.data()});
  }

  template <class Losses>
  void launch_losses(Losses losses, std::size_t count, std::uint64_t step, Vector<LossSum> sum) const {
    TESSERA_ASSERT(sum.size() == 1, "losses are added to one sum");
    launch_(1, AddLossesBody<Losses>{losses, count, step, sum.data()});
  }

  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
