// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/bfloat16.hpp"
#include "kernels/scaled_bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// A row in groups, for tables that are only read: its columns in groups of 32 (the last one may be smaller). First the
/// scales of all groups in bf16, then the codes of all groups, then a zero where the bytes would be odd. An element is
/// code * scale.
/// 8 bits: a code -127 .. 127 is a byte. 4 bits: a code -8 .. 7 is stored as code + 8; a group of n columns has
/// h = (n + 1) / 2 bytes, byte j has the codes of its columns j (lower half) and h + j. A scale may be negative.

namespace tessera::kernels {

constexpr std::size_t kGroupColumns = 32;

constexpr std::size_t group_count(std::size_t cols) { return (cols + kGroupColumns - 1) / kGroupColumns; }

/// Bytes of such a row with codes of `bits` bits.
constexpr std::size_t grouped_row_bytes(std::size_t cols, std::size_t bits) {
  const std::size_t used = group_count(cols) * sizeof(std::uint16_t) + (cols * bits + 7) / 8;
  return (used + 1) / 2 * 2;
}

/// A group of a row: its columns `first` .. first + columns - 1, its scale, and its codes.
template <class Byte>
struct Group {
  std::size_t first;
  std::size_t columns;
  Byte* scale;
  Byte* codes;
  /// Bytes of codes of 4 bits.
  [[nodiscard]] std::size_t pairs() const { return (columns + 1) / 2; }
  [[nodiscard]] float scale_value() const {
    std::uint16_t bits = 0;
    std::memcpy(&bits, scale, sizeof bits);
    return from_bfloat16(bits);
  }
  /// Code of column `c` of the group.
  [[nodiscard]] int code8(std::size_t c) const { return static_cast<std::int8_t>(codes[c]); }
  [[nodiscard]] int code4(std::size_t c) const {
    const bool is_upper = c >= pairs();
    const auto byte = static_cast<unsigned>(codes[is_upper ? c - pairs() : c]);
    return static_cast<int>(is_upper ? byte >> 4U : byte & 15U) - 8;
  }
};

/// Group `g` of a row with codes of `bits` bits.
template <class Byte>
Group<Byte> group_of(Byte* row, std::size_t cols, std::size_t bits, std::size_t g) {
  const std::size_t first = g * kGroupColumns;
  return {first, std::min(kGroupColumns, cols - first), row + g * sizeof(std::uint16_t),
          row + group_count(cols) * sizeof(std::uint16_t) + first * bits / 8};
}

}  // namespace tessera::kernels
