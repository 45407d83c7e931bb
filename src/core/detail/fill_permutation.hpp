// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::detail {

/// The Feistel network of a Permutation whose halves are at most bytes. Its rounds are tables of 256 words, in which
/// the changes of left halves lie in the high byte.
struct ByteNetwork {
  static constexpr std::size_t kRounds = 6;
  static constexpr unsigned kMostHalfBits = 8;
  static constexpr std::size_t kTableWords = kRounds * 256;

  const std::uint16_t* tables;
  std::uint64_t size;
  unsigned half_bits;

  /// Left half in the high byte, right half in the low one.
  [[nodiscard]] std::uint16_t split(std::uint32_t value) const {
    const std::uint32_t right = value & ((1U << half_bits) - 1);
    return static_cast<std::uint16_t>(value >> half_bits << 8U | right);
  }
  static std::uint16_t encrypt(const std::uint16_t* tables, std::uint16_t halves) {
    for (std::size_t round = 0; round < kRounds; round += 2, tables += 512) {
      halves = static_cast<std::uint16_t>(halves ^ tables[halves & 255U]);
      halves = static_cast<std::uint16_t>(halves ^ tables[256U + (halves >> 8U)]);
    }
    return halves;
  }
  [[nodiscard]] std::uint32_t join(std::uint32_t halves) const { return halves >> 8U << half_bits | (halves & 255U); }
  /// What the halves of a number of the permutation are below: halves are ordered as their numbers are.
  [[nodiscard]] std::uint32_t end() const {
    return static_cast<std::uint32_t>(size >> half_bits << 8U | (size & ((1U << half_bits) - 1)));
  }
};

/// out[k] = the image of first + k. Uses the widest vectors of the processor.
void fill_bytes(const ByteNetwork& network, std::uint64_t first, std::span<std::uint32_t> out);
/// The definition of fill_bytes(), one number at a time.
void fill_bytes_reference(const ByteNetwork& network, std::uint64_t first, std::span<std::uint32_t> out);

}  // namespace tessera::detail
