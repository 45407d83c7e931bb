// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::train {

/// A run of an engine over queries of its graph: a segment of an epoch, or a round of one.
struct Pass {
  std::uint32_t epoch = 0;           ///< of the training run
  std::uint32_t number = 0;          ///< random numbers depend on it; shared only by segments of one epoch
  std::uint64_t steps_of_run = 0;    ///< steps of the training run before step 0 of the graph
  std::uint64_t steps_of_epoch = 0;  ///< steps of this epoch before it
  std::uint64_t epoch_steps = 0;     ///< steps of an epoch
  std::uint64_t queries_of_run = 0;  ///< queries of the training run before step 0
  std::uint64_t first_step = 0;      ///< the steps of the pass, counted from step 0 of the graph
  std::uint64_t end_step = 0;
};

}  // namespace tessera::train
