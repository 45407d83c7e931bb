// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/span.hpp"
#include "device/stream.hpp"
#include "kernels/cuda/detail/workspace.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "kernels/operand.hpp"
#include "kernels/padding.hpp"

#include <cublas_v2.h>

#include <cstddef>
#include <cstdint>

namespace tessera::kernels::cuda {

/// Elements of a matrix, and their factors if they have any (factors.rows > 0).
using Elements = BasicTiledWeights<Space::kDevice>;

/// A factor of a product as it lies in memory, or its transpose.
struct Factor {
  Elements elements;
  bool transposed = false;
};

/// Owns a cuBLAS handle that is bound to one stream, and multiplies in one of the three ways of Products.
class Blas {
 public:
  Blas(device::StreamView stream, Products products, device::Span<std::byte> workspace);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  /// Bytes of a copy that is rounded, or multiplied by its factors, its rows padded; 0 where none is needed.
  [[nodiscard]] std::uint64_t packed_bytes(const Elements& elements) const;
  /// Whether rows in bfloat16 already have the form of such a copy.
  [[nodiscard]] bool takes_stored(const BasicConstStoredRows<Space::kDevice>& table) const {
    return products_ == Products::kBfloat16 && table.format == RowFormat::kBf16 &&
           table.stride == padded_stride(table.cols) * sizeof(std::uint16_t);
  }
  /// Makes the copy at the beginning of `memory`, and returns it.
  device::Span<const std::byte> pack(const Elements& elements, device::Span<std::byte> memory) const;
  enum class Result { kWritten, kAdded };
  /// out = left * right, or out += left * right, all row-major, none of them empty. The workspace takes the copies of
  /// factors that nobody packed.
  void multiply(const Factor& left, const Factor& right, DeviceMatrix out, Result result = Result::kWritten) const;

 private:
  struct Packed;
  Packed packed(const Factor& factor, Workspace& workspace) const;

  device::StreamView stream_;
  Products products_;
  device::Span<std::byte> operand_memory_;
  cublasHandle_t handle_ = nullptr;
};

}  // namespace tessera::kernels::cuda
