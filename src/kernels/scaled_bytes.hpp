// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/float_bits.hpp"

#include <cstddef>
#include <cstdint>

/// A row in int8: the bits of an fp32 scale, then a code -127 .. 127 for each column, then zeros up to a multiple of 4
/// bytes. An element is code * scale. Where a caller keeps the row in fp32 elsewhere (a hot row), the scale is negative
/// and the slot of that row follows in place of codes.

namespace tessera::kernels {

constexpr std::uint32_t kHotMark = 0xBF800000U;
constexpr std::size_t kHotColumns = 4;  ///< a table with hot rows has at least so many columns

TESSERA_HOST_DEVICE constexpr bool is_hot_bits(std::uint32_t scale) { return scale >> 31U != 0; }

TESSERA_HOST_DEVICE constexpr std::size_t code_bytes(std::size_t cols) { return (cols + 3) / 4 * 4; }

/// The scale of a row whose largest magnitude has these bits: 0 where it would be a denormal number. A row with an
/// element that is not finite has a scale that is not.
TESSERA_HOST_DEVICE inline float scale_of(std::uint32_t largest) {
  if (largest >= 0x7F800000U) return bits_float(is_nan_bits(largest) ? 0x7FC00000U : 0x7F800000U);
  const float scale = bits_float(largest) / 127.0F;
  return scale < 0x1p-126F ? 0.0F : scale;
}

/// The same for a row that had the scale `before`, which stays if the largest element does: a row that does not change
/// keeps its bytes.
TESSERA_HOST_DEVICE inline float scale_of(std::uint32_t largest, float before) {
  return largest < 0x7F800000U && largest == float_bits(127.0F * before) ? before : scale_of(largest);
}

/// What codes are computed with: 0 for a scale of 0, and for one that is not finite: all codes of such a row are 0.
TESSERA_HOST_DEVICE inline float inverse_of(float scale) {
  return scale == 0.0F || (float_bits(scale) & 0x7F800000U) == 0x7F800000U ? 0.0F : 1.0F / scale;
}

/// The integer nearest to value, of a magnitude below 2^22; ties to even.
TESSERA_HOST_DEVICE inline std::int32_t nearest_integer(float value) {
  return static_cast<std::int32_t>(float_bits(value + 0x1.8p23F)) - 0x4B400000;
}

/// The code nearest to a value in a row with that inverse.
TESSERA_HOST_DEVICE inline std::int8_t nearest_code(float value, float inverse) {
  return inverse == 0.0F ? std::int8_t{0} : static_cast<std::int8_t>(nearest_integer(value * inverse));
}

/// Rounds to a code below or above, the one above with the chance that makes the value the mean, in steps of 2^-14 of
/// the scale: a value that is a code times the scale stays. `random` is uniform in 0 .. 65535.
TESSERA_HOST_DEVICE inline std::int8_t round_to_code(float value, float inverse, std::uint32_t random) {
  if (inverse == 0.0F) return 0;
  const std::int32_t parts = nearest_integer(value * inverse * 16384.0F);
  return static_cast<std::int8_t>((parts + static_cast<std::int32_t>(random >> 2U)) >> 14);
}

}  // namespace tessera::kernels
