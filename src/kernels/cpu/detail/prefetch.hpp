// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/stored_rows.hpp"

#include <hwy/base.h>
#include <hwy/cache_control.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::kernels::cpu::detail {

/// A row of a table is prefetched so many rows early.
inline constexpr std::size_t kRowsAhead = 6;

// Inlined at once: GCC drops calls of functions that do nothing but prefetch.
HWY_INLINE void prefetch_bytes(const std::byte* row, std::size_t bytes) {
  constexpr std::size_t kCacheLine = 64;
  for (std::size_t at = 0; at < bytes; at += kCacheLine) hwy::Prefetch(row + at);
  if (bytes > 0) hwy::Prefetch(row + bytes - 1);  // rows may begin anywhere in a line
}

/// Prefetches table row indices[i] if the list has an i-th index. Tables are far larger than caches, and rows come in
/// any order.
HWY_INLINE void prefetch_row(const ConstStoredRows& table, std::span<const std::uint32_t> indices, std::size_t i) {
  if (i < indices.size()) prefetch_bytes(table.row(indices[i]), row_bytes(table.format, table.cols));
}

HWY_INLINE void prefetch_row(const StoredState& state, std::span<const std::uint32_t> indices, std::size_t i) {
  if (i < indices.size()) prefetch_bytes(state.row(indices[i]), state_bytes(state.format, state.cols));
}

}  // namespace tessera::kernels::cpu::detail
