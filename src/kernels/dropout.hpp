// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::kernels {

/// Dropout multiplies the elements of rows with 0, or with `gain` where they stay. The factor of an element is a
/// function of the stream, the row and the column alone.
struct DropoutMask {
  static constexpr std::size_t kWords = 4;  ///< columns that share a counter
  std::uint32_t key_low = 0;
  std::uint32_t key_high = 0;
  std::uint32_t stream_low = 0;   ///< the third word of all counters
  std::uint32_t stream_high = 0;  ///< the fourth word of all counters
  std::uint64_t first = 0;        ///< the counter of the first columns of row 0
  std::uint64_t step = 0;         ///< the distance between the counters of a row and of the next
  std::uint32_t threshold = 0;    ///< an element is dropped if its word is below this
  float gain = 1;

  TESSERA_HOST_DEVICE static constexpr std::size_t blocks(std::size_t dim) { return (dim + kWords - 1) / kWords; }
  [[nodiscard]] TESSERA_HOST_DEVICE float factor(std::uint32_t word) const { return word < threshold ? 0.0F : gain; }
  /// Multiplies row i, which has `dim` columns.
  void apply(std::size_t i, float* row, std::size_t dim) const;
};

}  // namespace tessera::kernels
