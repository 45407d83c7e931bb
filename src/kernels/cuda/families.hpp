// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/stream.hpp"
#include "kernels/backend.hpp"
#include "kernels/cuda/device_kernels.hpp"

#include <cstdint>
#include <memory>

namespace tessera::kernels::cuda {

/// The families on a device, all from our own kernel bodies. They have the bits of the CPU backend.
class ChainKernels : public DeviceKernels {
 public:
  [[nodiscard]] virtual const BasicScreenedRanks<Space::kDevice>& screened_ranks() const = 0;
};

std::unique_ptr<ChainKernels> make_chain_kernels(device::StreamView stream);

/// Copies a matrix, each element multiplied by its factor if it has one, for a product that takes such a copy: rows lie
/// padded_stride(cols) apart. To bfloat16 elements are rounded to nearest, ties to even; NaN stays NaN.
void copy_padded(device::StreamView stream, const BasicTiledWeights<Space::kDevice>& elements, std::uint16_t* out);
void copy_padded(device::StreamView stream, const BasicTiledWeights<Space::kDevice>& elements, float* out);

}  // namespace tessera::kernels::cuda
