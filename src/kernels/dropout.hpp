// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::kernels {

/// What dropout multiplies the elements of rows with: 0, or `gain` for those that stay. A function of the stream, the
/// row and the column alone.
struct DropoutMask {
  static constexpr std::size_t kWords = 4;  ///< columns that a counter is good for
  std::uint32_t key_low = 0;
  std::uint32_t key_high = 0;
  std::uint32_t stream_low = 0;   ///< the third word of all counters,
  std::uint32_t stream_high = 0;  ///< and the fourth
  std::uint64_t first = 0;        ///< counter of the first columns of row 0
  std::uint64_t step = 0;         ///< from a row to the next
  std::uint32_t threshold = 0;    ///< a word below it drops its element
  float gain = 1;

  TESSERA_HOST_DEVICE static constexpr std::size_t blocks(std::size_t dim) { return (dim + kWords - 1) / kWords; }
  [[nodiscard]] TESSERA_HOST_DEVICE float factor(std::uint32_t word) const { return word < threshold ? 0.0F : gain; }
  /// Multiplies row i, which has `dim` columns.
  void apply(std::size_t i, float* row, std::size_t dim) const;
};

}  // namespace tessera::kernels
