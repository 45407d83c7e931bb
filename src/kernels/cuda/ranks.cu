// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/ranks.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicRanks<Space::kDevice>> make_ranks(device::StreamView stream) {
  return std::make_unique<GridRanks<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
