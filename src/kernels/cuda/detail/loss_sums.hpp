// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/detail/grid.hpp"
#include "kernels/lane_sum.hpp"
#include "kernels/statistics.hpp"

#include <bit>
#include <cstdint>

namespace tessera::kernels::cuda {

struct TermLosses {
  const LossTerms* terms;
  TESSERA_HOST_DEVICE double operator()(std::size_t i) const { return terms[i].loss; }
};

struct WeightedLosses {
  double weight;
  const float* losses;
  TESSERA_HOST_DEVICE double operator()(std::size_t i) const { return weight * static_cast<double>(losses[i]); }
};

/// One block adds the losses; each lane of the sum is a thread.
template <class Losses>
struct AddLossesBody {
  static constexpr unsigned kThreads = kLossLanes;
  struct Shared {
    double lanes[kThreads];
  };
  struct Registers {};
  Losses losses;
  std::size_t count;
  std::uint64_t step;
  LossSum* sum;

  /// The first phase sums the lanes. The others add them as a tree, each phase half as many as the phase before.
  static constexpr unsigned kPhases = std::bit_width(kThreads);
  TESSERA_HOST_DEVICE unsigned phases() const { return kPhases; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At at, Shared& shared, Registers& /*registers*/) const {
    if (phase == 0) {
      double lane = 0;
      for (std::size_t i = at.thread; i < count; i += kThreads) lane += losses(i);
      shared.lanes[at.thread] = lane;
      return;
    }
    const unsigned width = kThreads >> phase;
    if (at.thread >= width) return;
    shared.lanes[at.thread] += shared.lanes[at.thread + width];
    if (width == 1) sum->add(shared.lanes[0], step);
  }
};

/// In one block all threads fetch losses, and the first thread adds them one after the other.
struct AddEachLossBody {
  static constexpr unsigned kThreads = 256;
  struct Shared {
    float losses[kThreads];
  };
  struct Registers {};
  const float* losses;
  std::size_t count;
  std::uint64_t step;
  LossSum* sum;

  TESSERA_HOST_DEVICE unsigned phases() const { return static_cast<unsigned>(2 * ((count + kThreads - 1) / kThreads)); }
  TESSERA_HOST_DEVICE void run(unsigned phase, At at, Shared& shared, Registers& /*registers*/) const {
    const std::size_t first = std::size_t{phase / 2} * kThreads;
    const std::size_t there = count - first < kThreads ? count - first : kThreads;
    if (phase % 2 == 0) {
      if (at.thread < there) shared.losses[at.thread] = losses[first + at.thread];
    } else if (at.thread == 0) {
      LossSum all = *sum;
      for (unsigned i = 0; i < there; ++i) all.add(static_cast<double>(shared.losses[i]), step);
      *sum = all;
    }
  }
};

}  // namespace tessera::kernels::cuda
