// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/negative_losses.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicNegativeLosses<Space::kDevice>> make_negative_losses(device::StreamView stream) {
  return std::make_unique<GridNegativeLosses<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
