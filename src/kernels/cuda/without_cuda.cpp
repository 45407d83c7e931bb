// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The CUDA backend of a build without CUDA.
#include "core/error.hpp"
#include "kernels/cuda/device_kernels.hpp"

namespace tessera::kernels {

std::unique_ptr<DeviceKernels> make_device_kernels(device::StreamView /*stream*/, Products /*products*/,
                                                   device::Span<std::byte> /*workspace*/) {
  fail(ExitStatus::kUsage, "built without CUDA: there are no kernels for a GPU in this program");
}

}  // namespace tessera::kernels
