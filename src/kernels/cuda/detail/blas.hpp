// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/span.hpp"
#include "device/stream.hpp"
#include "kernels/cuda/detail/workspace.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "kernels/matrix.hpp"

#include <cublas_v2.h>

#include <cstddef>

namespace tessera::kernels::cuda {

/// A factor of a product as it lies in memory: row-major, `stride` elements apart, taken as it is or transposed.
struct Operand {
  ConstDeviceMatrix matrix;
  bool transposed = false;
  device::Span<const float> factors = {};  ///< row i is multiplied by factors[i]; none: by 1
  ConstDeviceMatrix tile_factors = {};     ///< or element (i, j) by tile_factors[j / tile][i]
  std::size_t tile = 1;
};

/// Owns a cuBLAS handle that is bound to one stream, and multiplies in one of the three ways of Products.
class Blas {
 public:
  Blas(device::StreamView stream, Products products, device::Span<std::byte> workspace);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  /// out = left * right, all row-major, none of them empty.
  void multiply(const Operand& left, const Operand& right, DeviceMatrix out) const;

 private:
  struct Packed;
  Packed pack(const Operand& operand, Workspace& workspace) const;

  device::StreamView stream_;
  Products products_;
  device::Span<std::byte> operand_memory_;
  cublasHandle_t handle_ = nullptr;
};

}  // namespace tessera::kernels::cuda
