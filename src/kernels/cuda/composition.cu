// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/composition.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicComposition<Space::kDevice>> make_composition(device::StreamView stream) {
  return std::make_unique<GridComposition<StreamLauncher>>(StreamLauncher(stream));
}

std::unique_ptr<BasicPenalties<Space::kDevice>> make_penalties(device::StreamView stream) {
  return std::make_unique<GridPenalties<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
