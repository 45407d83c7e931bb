// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/blas.hpp"

#include "core/cast.hpp"
#include "core/error.hpp"
#include "device/cuda/check.hpp"
#include "kernels/cuda/families.hpp"
#include "kernels/padding.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {
namespace {

void check_blas(cublasStatus_t status, const char* call, device::Device device) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail(ExitStatus::kInternal, "device {}: {} failed: {} ({})", device.index(), call, cublasGetStatusString(status),
         cublasGetStatusName(status));
}
#define TESSERA_CUBLAS_TRY(call, device) check_blas(call, #call, device)

cublasComputeType_t compute_type(Products products) {
  return products == Products::kTf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

}  // namespace

/// An operand as cuBLAS takes it: a row-major matrix is the transpose of a column-major one.
struct Blas::Packed {
  const void* data;
  cudaDataType_t type;
  int stride;
  cublasOperation_t operation;
};

Blas::Blas(device::StreamView stream, Products products, device::Span<std::byte> workspace)
    : stream_(stream), products_(products) {
  TESSERA_ASSERT(workspace.size() >= kBlasBytes, "a workspace of workspace_bytes()");
  TESSERA_ASSERT(reinterpret_cast<std::uintptr_t>(workspace.data()) % 256 == 0, "cuBLAS wants 256 bytes of alignment");
  operand_memory_ = workspace.subspan(kBlasBytes, workspace.size() - kBlasBytes);
  device::make_current(stream.device());
  TESSERA_CUBLAS_TRY(cublasCreate(&handle_), stream.device());
  TESSERA_CUBLAS_TRY(cublasSetStream(handle_, stream.handle()), stream.device());
  // cublasSetStream sets the workspace back, so this follows it. With a workspace of our own, results repeat and cuBLAS
  // allocates nothing.
  TESSERA_CUBLAS_TRY(cublasSetWorkspace(handle_, workspace.data(), kBlasBytes), stream.device());
}

Blas::~Blas() {
  if (handle_ != nullptr) (void)cublasDestroy(handle_);
}

std::uint64_t Blas::packed_bytes(const Elements& elements) const {
  const std::uint64_t count = elements.weights.rows * padded_stride(elements.weights.cols);
  if (products_ == Products::kBfloat16) return count * sizeof(std::uint16_t);
  return elements.factors.rows == 0 ? 0 : count * sizeof(float);
}

device::Span<const std::byte> Blas::pack(const Elements& elements, device::Span<std::byte> memory) const {
  const std::uint64_t bytes = packed_bytes(elements);
  if (bytes == 0) return {};
  TESSERA_ASSERT(bytes <= memory.size(), "memory of packed_bytes()");
  if (products_ == Products::kBfloat16)
    copy_padded(stream_, elements, reinterpret_cast<std::uint16_t*>(memory.data()));
  else
    copy_padded(stream_, elements, reinterpret_cast<float*>(memory.data()));
  return memory.subspan(0, bytes);
}

Blas::Packed Blas::packed(const Factor& factor, Workspace& workspace) const {
  const Elements& elements = factor.elements;
  const cublasOperation_t operation = factor.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const std::uint64_t bytes = packed_bytes(elements);
  if (bytes == 0) return {elements.weights.data, CUDA_R_32F, checked_cast<int>(elements.weights.stride), operation};
  TESSERA_ASSERT(elements.packed.empty() || elements.packed.size() == bytes, "a copy of another matrix");
  const device::Span<const std::byte> copy =
      elements.packed.empty() ? pack(elements, workspace.take<std::byte>(bytes)) : elements.packed;
  return {copy.data(), products_ == Products::kBfloat16 ? CUDA_R_16BF : CUDA_R_32F,
          checked_cast<int>(padded_stride(elements.weights.cols)), operation};
}

void Blas::multiply(const Factor& left, const Factor& right, DeviceMatrix out, Result result) const {
  Workspace workspace(operand_memory_);
  const Packed a = packed(left, workspace);
  const Packed b = packed(right, workspace);
  const auto steps = checked_cast<int>(left.transposed ? left.elements.weights.rows : left.elements.weights.cols);
  const float one = 1;
  const float kept = result == Result::kAdded ? 1 : 0;  // the share of `out` that stays
  device::make_current(stream_.device());
  // Row-major out = a b is column-major out^T = b^T a^T, and each matrix in memory is its own transpose already.
  TESSERA_CUBLAS_TRY(
      cublasGemmEx(handle_, b.operation, a.operation, checked_cast<int>(out.cols), checked_cast<int>(out.rows), steps,
                   &one, b.data, b.type, b.stride, a.data, a.type, a.stride, &kept, out.data, CUDA_R_32F,
                   checked_cast<int>(out.stride), compute_type(products_), CUBLAS_GEMM_DEFAULT),
      stream_.device());
}

}  // namespace tessera::kernels::cuda
