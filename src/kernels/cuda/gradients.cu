// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/gradients.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicGradients<Space::kDevice>> make_gradients(device::StreamView stream) {
  return std::make_unique<GridGradients<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
