// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/scores.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicScores<Space::kDevice>> make_scores(device::StreamView stream) {
  return std::make_unique<GridScores<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
