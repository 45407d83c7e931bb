// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::packing {

/// unpack() writes whole groups: `out` has room for `count` rounded up to a multiple of this.
inline constexpr std::size_t kUnpackGroup = 8;

/// out[i] = bits i * width .. (i + 1) * width - 1 of the bytes, for i < count; width <= 32. Reads up to kPadding bytes
/// behind the last bit. Uses the widest vectors of the processor; the same numbers on all.
void unpack(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out);

/// The definition of unpack(), one number at a time.
void unpack_reference(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out);

}  // namespace tessera::packing
