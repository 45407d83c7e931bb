// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "device/span.hpp"
#include "kernels/cuda/device_kernels.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::kernels::cuda {

/// The size that cuBLAS recommends for the newest devices.
constexpr std::uint64_t kBlasBytes = std::uint64_t{32} << 20U;

/// The next multiple of 256; every operand is aligned to 256 bytes.
constexpr std::uint64_t aligned_bytes(std::uint64_t bytes) { return (bytes + 255) / 256 * 256; }

/// Hands out the copies of operands that one product needs; they are reused by the next product on the same stream.
class Workspace {
 public:
  explicit Workspace(device::Span<std::byte> memory) : memory_(memory) {}

  template <class T>
  device::Span<T> take(std::size_t count) {
    const std::uint64_t bytes = aligned_bytes(count * sizeof(T));
    TESSERA_ASSERT(bytes <= memory_.size() - used_, "a product above the sizes that its workspace was made for");
    const device::Span<T> taken(reinterpret_cast<T*>(memory_.data() + used_), count);
    used_ += bytes;
    return taken;
  }

 private:
  device::Span<std::byte> memory_;
  std::uint64_t used_ = 0;
};

}  // namespace tessera::kernels::cuda
