// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/rows.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicRows<Space::kDevice>> make_rows(device::StreamView stream) {
  return std::make_unique<GridRows<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
