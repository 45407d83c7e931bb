// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::packing {

/// Sets bit i of `bits` where low <= values[i] <= high, for i < count. Uses the widest vectors
/// of the processor.
void select_range(const std::uint32_t* values, std::size_t count, std::uint32_t low, std::uint32_t high,
                  std::uint64_t* bits);

/// Sets the first `count` bits.
inline void set_bits(std::size_t count, std::uint64_t* bits) {
  for (; count >= 64; count -= 64) *bits++ = ~std::uint64_t{0};
  if (count > 0) *bits |= (std::uint64_t{1} << count) - 1;
}

}  // namespace tessera::packing
