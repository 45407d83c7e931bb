// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/float_bits.hpp"

#include <cstdint>

/// A number in fp16 (IEEE binary16) is kept as 16 bits: sign, 5 bits of exponent, 10 bits behind the point.

namespace tessera::kernels {

constexpr std::uint32_t kHalfInfinity = 0x7C00U;
constexpr std::uint16_t kHalfNan = 0x7E00U;  ///< the one NaN that rounding gives

/// The same number as a float.
TESSERA_HOST_DEVICE inline float from_half(std::uint16_t value) {
  const std::uint32_t sign = (value & 0x8000U) << 16U;
  const std::uint32_t magnitude = value & 0x7FFFU;
  if (magnitude >= kHalfInfinity) return bits_float(sign | 0x7F800000U | (magnitude & 0x3FFU) << 13U);
  // The bits of a half as a float with another bias; the product is exact, denormal numbers included.
  return bits_float(sign | float_bits(bits_float(magnitude << 13U) * 0x1p112F));
}

/// A finite magnitude below 2^16 as a multiple of its unit in fp16: magnitude = value * 2^(exponent - 137), and the
/// half is (exponent - 113) * 1024 + value, where value = 1024 .. 2048, or less for denormal numbers.
TESSERA_HOST_DEVICE inline std::uint32_t half_exponent(std::uint32_t magnitude_bits) {
  const std::uint32_t exponent = magnitude_bits >> 23U;
  return exponent < 113 ? 113 : exponent;
}

/// What is not below 2^16: infinity, or NaN.
TESSERA_HOST_DEVICE inline std::uint16_t large_half(std::uint32_t sign, std::uint32_t magnitude_bits) {
  return is_nan_bits(magnitude_bits) ? kHalfNan : static_cast<std::uint16_t>(sign | kHalfInfinity);
}

/// The half nearest to a float, ties to even; NaN stays NaN.
TESSERA_HOST_DEVICE inline std::uint16_t to_half(float value) {
  const std::uint32_t sign = float_bits(value) >> 16U & 0x8000U;
  const std::uint32_t magnitude = float_bits(value) & 0x7FFFFFFFU;
  if (magnitude >= 0x47800000U) return large_half(sign, magnitude);
  const std::uint32_t exponent = half_exponent(magnitude);
  const float in_units = bits_float(magnitude) * bits_float((264U - exponent) << 23U);
  const std::uint32_t rounded = float_bits(in_units + 0x1p23F) & 0x7FFFFFU;
  return static_cast<std::uint16_t>(sign | (((exponent - 113U) << 10U) + rounded));
}

/// Rounds a float to one of its two neighbours in fp16, as round_stochastically() does in bfloat16. The chance is
/// exact for normal numbers; for denormal ones it is a multiple of 2^-16. From 2^16 on the result is infinity.
TESSERA_HOST_DEVICE inline std::uint16_t round_to_half(float value, std::uint32_t random) {
  const std::uint32_t sign = float_bits(value) >> 16U & 0x8000U;
  const std::uint32_t magnitude = float_bits(value) & 0x7FFFFFFFU;
  if (magnitude >= 0x47800000U) return large_half(sign, magnitude);
  const std::uint32_t exponent = half_exponent(magnitude);
  const auto parts = static_cast<std::uint32_t>(bits_float(magnitude) * bits_float((280U - exponent) << 23U));
  return static_cast<std::uint16_t>(sign | (((exponent - 113U) << 10U) + ((parts + random) >> 16U)));
}

}  // namespace tessera::kernels
