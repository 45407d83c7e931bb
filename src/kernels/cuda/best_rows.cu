// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/best_rows.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

std::unique_ptr<BasicBestRows<Space::kDevice>> make_best_rows(device::StreamView stream) {
  return std::make_unique<GridBestRows<StreamLauncher>>(StreamLauncher(stream));
}

}  // namespace tessera::kernels::cuda
