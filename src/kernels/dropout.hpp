// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::kernels {

/// Four random words, as a counter and as what becomes of it.
struct RandomWords {
  std::uint32_t a;
  std::uint32_t b;
  std::uint32_t c;
  std::uint32_t d;
};

/// Philox4x32-10 (Salmon et al., SC 2011): the words of RandomStream, where that cannot run.
TESSERA_HOST_DEVICE inline RandomWords philox(RandomWords at, std::uint32_t key_low, std::uint32_t key_high) {
  for (unsigned round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53U} * at.a;
    const std::uint64_t second = std::uint64_t{0xCD9E8D57U} * at.c;
    at = {static_cast<std::uint32_t>(second >> 32U) ^ at.b ^ key_low, static_cast<std::uint32_t>(second),
          static_cast<std::uint32_t>(first >> 32U) ^ at.d ^ key_high, static_cast<std::uint32_t>(first)};
    key_low += 0x9E3779B9U;
    key_high += 0xBB67AE85U;
  }
  return at;
}

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
  TESSERA_HOST_DEVICE void apply(std::size_t i, float* row, std::size_t dim) const {
    for (std::size_t block = 0; block < blocks(dim); ++block) apply_block(i, block, row, dim);
  }
  /// Its columns from kWords * block on.
  TESSERA_HOST_DEVICE void apply_block(std::size_t i, std::size_t block, float* row, std::size_t dim) const {
    const std::uint64_t counter = first + i * step + block;
    const RandomWords words = philox(
        {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32U), stream_low, stream_high},
        key_low, key_high);
    const std::size_t k = block * kWords;
    row[k] *= factor(words.a);
    if (k + 1 < dim) row[k + 1] *= factor(words.b);
    if (k + 2 < dim) row[k + 2] *= factor(words.c);
    if (k + 3 < dim) row[k + 3] *= factor(words.d);
  }
};

}  // namespace tessera::kernels
