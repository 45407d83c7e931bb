// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/updates.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicUpdates<Space::kDevice>> make_updates(device::StreamView stream) {
  return std::make_unique<GridUpdates<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
