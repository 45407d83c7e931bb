// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/span.hpp"
#include "device/stream.hpp"
#include "kernels/backend.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace tessera::kernels {

/// The products of a device (Scores::all_pairs of kDot, and Gradients).
enum class Products : std::uint8_t {
  kChain,     ///< our own, chains with the bits of the CPU
  kFp32,      ///< cuBLAS in fp32
  kTf32,      ///< cuBLAS on matrix units: operands rounded to 11 significant bits, sums in fp32
  kBfloat16,  ///< cuBLAS on matrix units: operands rounded to 8 significant bits, sums in fp32
};

/// The share of an operand that rounding may lose: 2^-8 in bfloat16; 2^-10 in TF32, where bits may be cut off; 0 in
/// fp32.
double operand_roundoff(Products products);

/// The largest product of operands that are not packed (Gradients::pack) that a device will be asked for.
struct ProductSizes {
  std::size_t queries = 0;
  std::size_t rows = 0;
  std::size_t dim = 0;
};

/// Bytes of device memory that products of this kind need beside their arguments: cuBLAS's own scratch (32 MiB), and
/// copies of operands where they are rounded or scaled. 0 for kChain.
std::uint64_t workspace_bytes(Products products, const ProductSizes& most);

/// A backend whose calls are enqueued on one stream. With cuBLAS, all_pairs of kDot differs from pairs and ranks in its
/// last bits, which always follow the chain: a target still ties with itself when it is ranked. On one device and one
/// cuBLAS, results repeat from run to run, but not from one tile shape to another.
class DeviceKernels {
 public:
  virtual ~DeviceKernels() = default;
  /// The backend, which lives as long as this object.
  [[nodiscard]] virtual const DeviceBackend& backend() const = 0;
};

/// `workspace` has at least workspace_bytes, is aligned to 256 bytes and outlives the backend, as the stream does. A
/// product above the sizes that it was made for throws. Throws Error(kUsage) in a build without CUDA.
std::unique_ptr<DeviceKernels> make_device_kernels(device::StreamView stream, Products products,
                                                   device::Span<std::byte> workspace);

}  // namespace tessera::kernels
