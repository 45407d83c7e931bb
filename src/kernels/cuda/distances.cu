// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/distances.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicDistances<Space::kDevice>> make_distances(device::StreamView stream) {
  return std::make_unique<GridDistances<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
