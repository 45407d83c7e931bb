// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::train {

/// A run of an engine over all queries of its graph: an epoch, or a round of one.
struct Pass {
  std::uint32_t epoch = 0;           ///< of the training run
  std::uint32_t number = 0;          ///< random numbers depend on it; no two passes of a training run share it
  std::uint64_t steps_of_run = 0;    ///< steps of the training run before this pass
  std::uint64_t steps_of_epoch = 0;  ///< steps of this epoch before this pass
  std::uint64_t epoch_steps = 0;     ///< steps of an epoch
  std::uint64_t queries_of_run = 0;  ///< queries of the training run before this pass
};

}  // namespace tessera::train
