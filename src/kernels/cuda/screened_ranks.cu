// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/screened_ranks.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/device_kernels.hpp"

namespace tessera::kernels {

std::unique_ptr<BasicScreenedRanks<Space::kDevice>> make_screened_ranks(device::StreamView stream) {
  return std::make_unique<cuda::GridScreenedRanks<cuda::StreamLauncher>>(cuda::StreamLauncher(stream));
}

}  // namespace tessera::kernels
