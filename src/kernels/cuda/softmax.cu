// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/softmax.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicSoftmax<Space::kDevice>> make_softmax(device::StreamView stream) {
  return std::make_unique<GridSoftmax<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
