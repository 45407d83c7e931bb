// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "packing/bits.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tessera::packing {

/// Most numbers of one patched column.
inline constexpr std::size_t kMostPatched = 1024;

/// How up to 1,024 numbers below 2^32 are packed: the low bits of all, then, for the few numbers that need more, their
/// positions and the bits above (patched frame of reference, Zukowski et al. 2006).
struct Patched {
  unsigned width = 0;       ///< low bits of each number, 0 .. 32
  unsigned high_width = 0;  ///< bits above, of the exceptions
  std::size_t patches = 0;  ///< number of exceptions
  std::size_t count = 0;    ///< numbers in all; the header does not have it

  /// The cheapest for these numbers. O(count).
  static Patched choose(std::span<const std::uint32_t> values);
  /// Reads what write_header() wrote; nothing when it cannot be right.
  static std::optional<Patched> read_header(BitReader& reader, std::size_t count);

  void write_header(BitWriter& writer) const;
  /// Appends the numbers; begins and ends at whole bytes.
  void write(std::span<const std::uint32_t> values, BitWriter& writer) const;

  /// Bits that hold the largest position.
  [[nodiscard]] unsigned position_width() const {
    return count == 0 ? 0 : static_cast<unsigned>(std::bit_width(count - 1));
  }
  [[nodiscard]] unsigned header_bits() const { return patches == 0 ? 7 : 7 + 6 + 10; }
  [[nodiscard]] std::size_t low_bytes() const { return bytes_of_bits(std::uint64_t{count} * width); }
  [[nodiscard]] std::size_t bytes() const {
    return low_bytes() + bytes_of_bits(std::uint64_t{patches} * (position_width() + high_width));
  }

  /// out[i] = number i of the column at `column`, for i < count. `out` has room for whole groups (kUnpackGroup).
  void read(const std::uint8_t* column, std::uint32_t* out) const { read_some(column, 0, count, out); }
  /// out[i - first] = number i, for first <= i < end; `first` is a multiple of kUnpackGroup.
  void read_some(const std::uint8_t* column, std::size_t first, std::size_t end, std::uint32_t* out) const;
};

}  // namespace tessera::packing
