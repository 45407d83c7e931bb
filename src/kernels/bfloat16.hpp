// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/float_bits.hpp"

#include <cstdint>

/// A number in bfloat16 is the upper half of a float: 8 bits of exponent, 8 significant bits. It is kept as 16 bits.

namespace tessera::kernels {

/// The one NaN that rounding gives: NaN of an operation has other bits on other machines.
constexpr std::uint16_t kBfloat16Nan = 0x7FC0U;

/// The same number as a float.
TESSERA_HOST_DEVICE inline float from_bfloat16(std::uint16_t value) { return bits_float(std::uint32_t{value} << 16U); }

/// The bfloat16 nearest to a float, ties to even; NaN stays NaN.
TESSERA_HOST_DEVICE inline std::uint16_t to_bfloat16(float value) {
  const std::uint32_t bits = float_bits(value);
  if (is_nan_bits(bits)) return kBfloat16Nan;
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

/// Rounds a float to one of its two neighbours in bfloat16. `random` is uniform in 0 .. 65535 and picks the neighbour
/// above (in magnitude) with the chance that makes the float the mean, to the last bit. A float that is a bfloat16
/// stays as it is, infinities and NaN too; above the largest finite number the neighbour is infinity.
TESSERA_HOST_DEVICE inline std::uint16_t round_stochastically(float value, std::uint32_t random) {
  const std::uint32_t bits = float_bits(value);
  if (is_nan_bits(bits)) return kBfloat16Nan;
  return static_cast<std::uint16_t>((bits + random) >> 16U);
}

}  // namespace tessera::kernels
