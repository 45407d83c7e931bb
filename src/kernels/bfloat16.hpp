// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "core/mix.hpp"
#include "kernels/float_bits.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

/// A number in bfloat16 is the upper half of a float: 8 bits of exponent, 8 significant bits. It is kept as 16 bits.

namespace tessera::kernels {

/// The same number as a float.
TESSERA_HOST_DEVICE inline float from_bfloat16(std::uint16_t value) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(std::uint32_t{value} << 16U);
#else
  return std::bit_cast<float>(std::uint32_t{value} << 16U);
#endif
}

TESSERA_HOST_DEVICE inline bool is_nan_bits(std::uint32_t bits) { return (bits & 0x7FFFFFFFU) > 0x7F800000U; }

/// The bfloat16 nearest to a float, ties to even; NaN stays NaN.
TESSERA_HOST_DEVICE inline std::uint16_t to_bfloat16(float value) {
  const std::uint32_t bits = float_bits(value);
  if (is_nan_bits(bits)) return static_cast<std::uint16_t>((bits >> 16U) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

/// Rounds a float to one of its two neighbours in bfloat16. `random` is uniform in 0 .. 65535 and picks the neighbour
/// above (in magnitude) with the chance that makes the float the mean, to the last bit. A float that is a bfloat16
/// stays as it is, infinities and NaN too; above the largest finite number the neighbour is infinity.
TESSERA_HOST_DEVICE inline std::uint16_t round_stochastically(float value, std::uint32_t random) {
  const std::uint32_t bits = float_bits(value);
  if (is_nan_bits(bits)) return static_cast<std::uint16_t>((bits >> 16U) | 0x40U);
  return static_cast<std::uint16_t>((bits + random) >> 16U);
}

/// The source of the random bits of rounding. They are a function of the key (random bits of seed and step), of the
/// row's number among all rows, and of the column, whoever rounds and in whatever order.
struct Rounding {
  std::uint64_t key = 0;
  std::uint64_t first_row = 0;  ///< number of row 0 of a table among the rows of all tables

  /// 16 bits for element (row, column) of the table. The row's key is mixed once for all columns of a thread; the
  /// column's 32 bits by a multiply-xorshift hash of low bias.
  [[nodiscard]] TESSERA_HOST_DEVICE std::uint32_t bits(std::size_t row, std::size_t column) const {
    const std::uint64_t mixed = mix(key + (first_row + row) * kMixStep);
    std::uint32_t word = static_cast<std::uint32_t>(mixed) + static_cast<std::uint32_t>(column) * 0x9E3779B9U;
    word = (word ^ (word >> 16U)) * 0x7FEB352DU;
    word ^= static_cast<std::uint32_t>(mixed >> 32U);
    word = (word ^ (word >> 15U)) * 0x846CA68BU;
    return word >> 16U;
  }
};

}  // namespace tessera::kernels
