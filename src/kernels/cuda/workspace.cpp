// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/workspace.hpp"

#include "kernels/padding.hpp"

#include <algorithm>

namespace tessera::kernels {

std::uint64_t workspace_bytes(Products products, const ProductSizes& most) {
  using cuda::aligned_bytes;
  if (products == Products::kChain) return 0;
  if (products != Products::kBfloat16)
    return cuda::kBlasBytes +
           aligned_bytes(most.queries * padded_stride(std::max(most.dim, most.rows)) * sizeof(float));
  // A product has two of these three.
  const std::uint64_t weights = aligned_bytes(most.queries * padded_stride(most.rows) * sizeof(std::uint16_t));
  const std::uint64_t rows = aligned_bytes(most.rows * padded_stride(most.dim) * sizeof(std::uint16_t));
  const std::uint64_t queries = aligned_bytes(most.queries * padded_stride(most.dim) * sizeof(std::uint16_t));
  return cuda::kBlasBytes + std::max(weights + std::max(rows, queries), queries + rows);
}

double operand_roundoff(Products products) {
  if (products == Products::kBfloat16) return 0x1p-8;
  return products == Products::kTf32 ? 0x1p-10 : 0;
}

}  // namespace tessera::kernels
