// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace tessera::packing {

/// Readers of packed bytes load whole words: this many bytes behind the last one must be readable.
inline constexpr std::size_t kPadding = 32;

constexpr std::size_t bytes_of_bits(std::uint64_t bits) { return static_cast<std::size_t>((bits + 7) / 8); }

/// The bits from `bit` on, `width` <= 57 of them, least significant bit first. Reads 8 bytes.
inline std::uint64_t load_bits(const std::uint8_t* bytes, std::uint64_t bit, unsigned width) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word = 0;
  std::memcpy(&word, bytes + bit / 8, sizeof(word));
  return word >> (bit % 8) & ((std::uint64_t{1} << width) - 1);
}

/// Appends numbers to bytes, least significant bit first.
class BitWriter {
 public:
  explicit BitWriter(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
  /// `value` < 2^width, `width` <= 57.
  void put(std::uint64_t value, unsigned width) {
    held_ |= value << used_;
    for (used_ += width; used_ >= 8; used_ -= 8, held_ >>= 8) bytes_.push_back(static_cast<std::uint8_t>(held_));
  }
  /// Fills the last byte with zeros. The destructor does not.
  void align() {
    if (used_ > 0) bytes_.push_back(static_cast<std::uint8_t>(held_));
    used_ = 0;
    held_ = 0;
  }

 private:
  std::vector<std::uint8_t>& bytes_;
  std::uint64_t held_ = 0;
  unsigned used_ = 0;  // bits in held_, below 8 between calls
};

/// Reads what a BitWriter wrote. `bytes` has kPadding readable bytes behind it. Numbers behind the end are 0.
class BitReader {
 public:
  explicit BitReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::uint64_t get(unsigned width) {
    const std::uint64_t first = bit_;
    bit_ += width;
    return is_sound() ? load_bits(bytes_.data(), first, width) : 0;
  }
  /// Whether everything that was read lies inside the bytes.
  [[nodiscard]] bool is_sound() const { return bit_ <= 8 * bytes_.size(); }
  /// Bytes that were begun.
  [[nodiscard]] std::size_t bytes_read() const { return bytes_of_bits(bit_); }

 private:
  std::span<const std::uint8_t> bytes_;
  std::uint64_t bit_ = 0;
};

}  // namespace tessera::packing
