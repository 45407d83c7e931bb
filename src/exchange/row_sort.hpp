// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::exchange {

/// Sorts `keys` by their bits [low_bit, high_bit), stably (least significant digit first); `scratch` has the size of
/// `keys`. The result is in `keys`. O(n * passes), no allocation.
void radix_sort(std::span<std::uint64_t> keys, std::span<std::uint64_t> scratch, unsigned low_bit, unsigned high_bit);

/// Sums by row need their terms grouped. A key is (row << kPositionBits) | position.
inline constexpr unsigned kPositionBits = 26;
inline constexpr std::uint64_t kPositionMask = (std::uint64_t{1} << kPositionBits) - 1;

}  // namespace tessera::exchange
