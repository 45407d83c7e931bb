// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/targets.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicTargets<Space::kDevice>> make_targets(device::StreamView stream) {
  return std::make_unique<GridTargets<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
