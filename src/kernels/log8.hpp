// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/float_bits.hpp"

#include <cstdint>

/// A sum of squares in 8 bits: code 0 is 0, any other code is 2^((code - 192) / 4), from 2^-47.75 (4e-15) to 2^15.75
/// (55,109), rounded to fp32.

namespace tessera::kernels {

/// The four levels of an octave: bits behind the point of 2^(quarter / 4), and the distance to the next, over 2^16.
struct Log8Level {
  std::uint32_t bits;
  float step;
};

TESSERA_HOST_DEVICE constexpr Log8Level log8_level(std::uint32_t quarter) {
  constexpr std::uint32_t kBits[] = {0, 0x1837F0, 0x3504F3, 0x5744FD, 0x800000};
  return {kBits[quarter], static_cast<float>(kBits[quarter + 1] - kBits[quarter]) * 0x1p-16F};
}

/// The exponent bits of a float below 2^-47.
constexpr std::uint32_t kLog8Exponent = 79;

TESSERA_HOST_DEVICE inline float from_log8(std::uint8_t code) {
  if (code == 0) return 0.0F;
  return bits_float(((code >> 2U) + kLog8Exponent) << 23U | log8_level(code & 3U).bits);
}

/// Rounds a number that is not negative to the level below or above, the one above with the chance that makes the
/// number the mean. A level stays. A positive number below the least level becomes that level: a state of 0 would let
/// the row jump. What is above the largest level, infinity and NaN become the largest.
TESSERA_HOST_DEVICE inline std::uint8_t round_to_log8(float value, std::uint32_t random) {
  const std::uint32_t bits = float_bits(value) & 0x7FFFFFFFU;
  if (bits == 0) return 0;
  const std::uint32_t behind = bits & 0x7FFFFFU;
  const std::uint32_t quarter = (behind >= log8_level(1).bits ? 1U : 0U) + (behind >= log8_level(2).bits ? 1U : 0U) +
                                (behind >= log8_level(3).bits ? 1U : 0U);
  const Log8Level level = log8_level(quarter);
  const bool goes_up = static_cast<float>(behind - level.bits) > static_cast<float>(random) * level.step;
  const std::int32_t code = (static_cast<std::int32_t>(bits >> 23U) - static_cast<std::int32_t>(kLog8Exponent)) * 4 +
                            static_cast<std::int32_t>(quarter) + (goes_up ? 1 : 0);
  return static_cast<std::uint8_t>(code < 1 ? 1 : code > 255 ? 255 : code);
}

}  // namespace tessera::kernels
