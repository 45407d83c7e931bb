// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"

#include <cstdint>

namespace tessera {

/// The step of splitmix64 from one number to the next, for numbers that count up from 0.
inline constexpr std::uint64_t kMixStep = 0x9E3779B97F4A7C15U;

/// The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): every bit of the number moves every bit of the
/// result, and no two numbers share one. 0 stays 0.
TESSERA_HOST_DEVICE constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

}  // namespace tessera
