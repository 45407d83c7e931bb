// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/elements.hpp"
#include "kernels/cuda/detail/lanes.hpp"
#include "kernels/detail/shapes.hpp"

#include <cfloat>

namespace tessera::kernels::cuda {

/// The rows of a softmax, and the first two phases of all of its forms.
struct SoftmaxRows {
  struct Shared {
    LaneValues<float> maxima;
    LaneValues<float> sums;
  };
  struct Registers {
    float maximum;
  };
  Table logits;
  std::size_t rows;
  std::size_t cols;

  /// Finds the maximum of the logits of a lane; it is the lowest finite float where none is above that.
  TESSERA_HOST_DEVICE static void find_maximum(LaneAt at, const float* row, std::size_t count, Shared& shared) {
    float maximum = -FLT_MAX;
    for (std::size_t j = at.lane; j < count; j += kLanes) {
      const float logit = row[j];
      maximum = logit > maximum ? logit : maximum;
    }
    shared.maxima.at[at.slot][at.lane] = maximum;
  }

  /// row[j] <- exp(row[j] - maximum) for the columns of a lane, and their sum.
  TESSERA_HOST_DEVICE static void take_exponentials(LaneAt at, float* row, std::size_t count, Shared& shared,
                                                    Registers& registers) {
    float maximum = -FLT_MAX;
    TESSERA_UNROLL
    for (unsigned l = 0; l < kLanes; ++l) {
      const float other = shared.maxima.at[at.slot][l];
      maximum = other > maximum ? other : maximum;
    }
    registers.maximum = maximum + 0.0F;  // zero has no sign here
    float sum = 0;
    for (std::size_t j = at.lane; j < count; j += kLanes) {
      const float power = exponential(row[j] - registers.maximum);
      row[j] = power;
      sum += power;
    }
    shared.sums.at[at.slot][at.lane] = sum;
  }
};

/// With m the maximum logit, S = sum_j exp(logit_j - m) and a = t - m - shift, everything follows from a and S.
struct CrossEntropyBody {
  static constexpr unsigned kThreads = kLaneThreads;
  using Shared = SoftmaxRows::Shared;
  using Registers = SoftmaxRows::Registers;
  SoftmaxRows in;
  const float* target_scores;
  const float* target_priors;  // null: none
  const float* target_times;   // null: once
  float shift;
  float scale;
  float* losses;
  float* target_weights;

  TESSERA_HOST_DEVICE unsigned phases() const { return 3; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& registers) const {
    const LaneAt at(index);
    if (at.row >= in.rows) return;
    float* row = in.logits.row(at.row);
    if (phase == 0) return SoftmaxRows::find_maximum(at, row, in.cols, shared);
    if (phase == 1) return SoftmaxRows::take_exponentials(at, row, in.cols, shared, registers);
    finish(at, sum_tree(shared.sums.at[at.slot]), registers.maximum);
  }

 private:
  TESSERA_HOST_DEVICE void finish(LaneAt at, float sum, float maximum) const {
    const float times = target_times == nullptr ? 1.0F : target_times[at.row];
    const float scale_of_row = scale * times;
    const float target = target_scores[at.row] + (target_priors == nullptr ? 0.0F : target_priors[at.row]);
    const float ahead = (target - maximum) - shift;  // how far the target is before the best candidate
    const float reference = ahead > 0 ? ahead : 0;
    const float target_power = exponential(ahead - reference);
    const float candidate_power = exponential(-reference);
    const float others = sum * candidate_power;
    const float total = target_power + others;
    if (at.lane == 0) {
      const double all = static_cast<double>(target_power) + static_cast<double>(others);
      losses[at.row] = static_cast<float>(log(all) - static_cast<double>(ahead - reference)) * times;
      target_weights[at.row] = scale_of_row * -(others / total);
    }
    const float factor = scale_of_row * candidate_power / total;
    for (std::size_t j = at.lane; j < in.cols; j += kLanes) in.logits.row(at.row)[j] *= factor;
  }
};

/// Adds the value of its column to an element.
struct ColumnElement {
  const float* values;
  Table logits;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t j) const { logits.row(i)[j] += values[j]; }
};

/// The tile that 16 lanes work on: number n of all tiles of all rows.
struct TileAt {
  std::size_t row;
  std::size_t tile;
  float* first;
  std::size_t count;
  TESSERA_HOST_DEVICE TileAt(const SoftmaxRows& in, std::size_t width, std::size_t tiles, std::size_t n)
      : row(n / tiles),
        tile(n % tiles),
        first(in.logits.row(row) + tile * width),
        count(in.cols - tile * width < width ? in.cols - tile * width : width) {}
};

struct ExponentialsBody {
  static constexpr unsigned kThreads = kLaneThreads;
  using Shared = SoftmaxRows::Shared;
  using Registers = SoftmaxRows::Registers;
  SoftmaxRows in;
  std::size_t tile;
  std::size_t tiles;
  Table maxima;
  Table sums;

  TESSERA_HOST_DEVICE unsigned phases() const { return 3; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& registers) const {
    const LaneAt at(index);
    if (at.row >= in.rows * tiles) return;
    const TileAt of(in, tile, tiles, at.row);
    if (phase == 0) return SoftmaxRows::find_maximum(at, of.first, of.count, shared);
    if (phase == 1) return SoftmaxRows::take_exponentials(at, of.first, of.count, shared, registers);
    if (at.lane != 0) return;
    maxima.row(of.row)[of.tile] = registers.maximum;
    sums.row(of.row)[of.tile] = sum_tree(shared.sums.at[at.slot]);
  }
};

/// log(1 + e_1) + log(1 + e_2) + ... of a lane is the logarithm of a product, which is taken before it can overflow.
struct LogisticBody {
  static constexpr unsigned kThreads = kLaneThreads;
  static constexpr int kFactors = 64;  ///< each is at most 2
  struct Shared {
    LaneValues<double> logarithms;
    LaneValues<float> positive;
    LaneValues<float> logits;
  };
  struct Registers {};
  SoftmaxRows in;
  std::size_t tile;
  std::size_t tiles;
  float offset;
  Table softplus;
  Table sums;

  TESSERA_HOST_DEVICE unsigned phases() const { return 2; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& /*registers*/) const {
    const LaneAt at(index);
    if (at.row >= in.rows * tiles) return;
    const TileAt of(in, tile, tiles, at.row);
    if (phase == 0) return add_lane(at, of.first, of.count, shared);
    if (at.lane != 0) return;
    const double logarithm = sum_tree(shared.logarithms.at[at.slot]);
    softplus.row(of.row)[of.tile] =
        static_cast<float>(logarithm + static_cast<double>(sum_tree(shared.positive.at[at.slot])));
    sums.row(of.row)[of.tile] = sum_tree(shared.logits.at[at.slot]);
  }

 private:
  TESSERA_HOST_DEVICE void add_lane(LaneAt at, float* logits, std::size_t count, Shared& shared) const {
    double logarithm = 0;
    float positive = 0;
    float sum = 0;
    float product = 1;
    int factors = 0;
    for (std::size_t j = at.lane; j < count; j += kLanes) {
      const float x = logits[j];
      const float power = exponential(-fabsf(x));
      const float more = 1.0F + power;
      positive += x > 0 ? x : 0.0F;
      sum += x;
      product *= more;
      logits[j] = (x >= 0 ? 1.0F : power) / more - offset;
      if (++factors < kFactors) continue;
      logarithm += log(static_cast<double>(product));
      product = 1;
      factors = 0;
    }
    shared.logarithms.at[at.slot][at.lane] = logarithm + log(static_cast<double>(product));
    shared.positive.at[at.slot][at.lane] = positive;
    shared.logits.at[at.slot][at.lane] = sum;
  }
};

template <class Launcher>
class GridSoftmax final : public BasicSoftmax<Launcher::kSpace> {
  using Matrix = BasicMatrix<Launcher::kSpace>;

 public:
  explicit GridSoftmax(Launcher launch) : launch_(launch) {}

  void cross_entropy(Matrix logits, const BasicTargetLosses<Launcher::kSpace>& targets, float shift,
                     float scale) const override {
    kernels::detail::check_losses(logits, targets);
    launch_(blocks_of(kLaneRows, logits.rows),
            CrossEntropyBody{rows_of(logits), targets.scores.data(), targets.priors.data(), targets.times.data(), shift,
                             scale, targets.losses.data(), targets.weights.data()});
  }

  void add_to_columns(Vector<Launcher::kSpace, const float> values, Matrix logits) const override {
    kernels::detail::check_columns(values, logits);
    launch_elements(launch_, logits.rows, logits.cols, ColumnElement{values.data(), Table(logits)});
  }

  void exponentials(Matrix logits, std::size_t tile, Matrix maxima, Matrix sums) const override {
    kernels::detail::check_tile_results(logits, tile, maxima, sums);
    launch_(blocks_of(kLaneRows, logits.rows * maxima.cols),
            ExponentialsBody{rows_of(logits), tile, maxima.cols, Table(maxima), Table(sums)});
  }

  void logistic(Matrix logits, std::size_t tile, float offset, Matrix softplus, Matrix sums) const override {
    kernels::detail::check_tile_results(logits, tile, softplus, sums);
    launch_(blocks_of(kLaneRows, logits.rows * sums.cols),
            LogisticBody{rows_of(logits), tile, sums.cols, offset, Table(softplus), Table(sums)});
  }

 private:
  static SoftmaxRows rows_of(Matrix logits) { return {Table(logits), logits.rows, logits.cols}; }
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
