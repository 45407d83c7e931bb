// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/statistics.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicStatistics<Space::kDevice>> make_statistics(device::StreamView stream) {
  return std::make_unique<GridStatistics<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
