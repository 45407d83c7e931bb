// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/screened_ranks.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicScreenedRanks<Space::kDevice>> make_screened_ranks(device::StreamView stream) {
  return std::make_unique<GridScreenedRanks<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
