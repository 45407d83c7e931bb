// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/best_rows.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/device_kernels.hpp"

namespace tessera::kernels {

std::unique_ptr<BasicBestRows<Space::kDevice>> make_best_rows(device::StreamView stream) {
  return std::make_unique<cuda::GridBestRows<cuda::StreamLauncher>>(cuda::StreamLauncher(stream));
}

}  // namespace tessera::kernels
