// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

/// The sums of an epoch over its steps so far: the same on every rank, and enough to go on with the epoch later.
struct EpochSums {
  std::uint64_t steps = 0;
  std::uint64_t terms = 0;     ///< summands of the loss
  std::vector<double> losses;  ///< sums of the loss: one for each part of the graph, or one in all; empty before step 0
  /// Before the first step.
  void clear() {
    steps = 0;
    terms = 0;
    losses.clear();
  }
};

}  // namespace tessera
