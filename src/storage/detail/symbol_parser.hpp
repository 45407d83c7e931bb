// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/detail/symbol_table.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::storage::detail {

/// Spells text by symbols at the lowest total cost.
class SymbolParser {
 public:
  struct Text {
    std::uint64_t key;   ///< text_key()
    std::uint32_t cost;  ///< of its code, in any unit
  };
  static constexpr std::size_t kMostPiece = 256;
  static constexpr std::uint16_t kEscaped = 0x8000;  ///< and the byte

  /// `escape_cost`: of a byte that has no symbol.
  SymbolParser(std::span<const Text> texts, std::uint32_t escape_cost);
  /// Indices of texts, or kEscaped | byte, in order, for up to kMostPiece bytes; valid until the next call. O(bytes).
  std::span<const std::uint16_t> parse(std::string_view piece);
  /// Cost of the piece when no symbol may be longer than `most` bytes.
  std::uint64_t cost(std::string_view piece, std::size_t most);

 private:
  struct Entry {
    std::uint64_t key = 0;
    std::uint32_t cost = 0;
    std::uint16_t index = 0;
  };
  [[nodiscard]] static std::size_t slot(std::uint64_t key) {
    return (key * 0x9E3779B97F4A7C15ULL) >> (64U - kSlotBits);
  }
  [[nodiscard]] static std::size_t place_of_three(std::uint64_t word) {
    return 0x10000U + (((word & 0xFFFFFFU) * 0x9E3779B1U) & 0xFFFFFFFFU) / 0x10000U;
  }
  void choose(std::string_view piece, std::size_t most);

  static constexpr unsigned kSlotBits = 14;
  std::vector<Entry> entries_;      // open addressing; key 0 is free
  std::array<Entry, 256> bytes_{};  // texts of one byte
  // Bit `length` says whether such a text begins like this: by the first two bytes, then by a hash of the first three.
  std::vector<std::uint8_t> lengths_;
  std::array<std::uint32_t, kMostPiece + 1> best_{};  // cost of the piece from a place on
  std::array<std::uint16_t, kMostPiece> choice_{};
  std::array<std::uint8_t, kMostPiece> length_{};
  std::array<char, kMostPiece + 8> text_{};
  std::array<std::uint16_t, kMostPiece> parsed_{};
};

}  // namespace tessera::storage::detail
