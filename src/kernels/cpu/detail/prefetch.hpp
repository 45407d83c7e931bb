// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"

#include <hwy/cache_control.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::kernels::cpu::detail {

/// A row of a table is prefetched so many rows early.
inline constexpr std::size_t kRowsAhead = 6;

/// Prefetches table row indices[i] if the list has an i-th index. Tables are far larger than caches, and rows come in
/// any order.
inline void prefetch_row(ConstMatrix table, std::span<const std::uint32_t> indices, std::size_t i) {
  constexpr std::size_t kCacheLine = 64 / sizeof(float);
  if (i >= indices.size()) return;
  const float* row = table.row(indices[i]);
  for (std::size_t c = 0; c < table.cols; c += kCacheLine) hwy::Prefetch(row + c);
}

}  // namespace tessera::kernels::cpu::detail
