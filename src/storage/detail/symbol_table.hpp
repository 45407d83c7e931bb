// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::storage::detail {

inline constexpr unsigned kMostCodeBits = 12;
inline constexpr std::size_t kMostText = 7;

/// Kinds of symbols. 1 .. kMostText stand for so many bytes of text.
enum SymbolKind : std::uint8_t {
  kEnd = 8,       ///< the string ends; the next one shares text[0] bytes with it
  kLongEnd = 9,   ///< the string ends; 32 bits behind the code say how many bytes the next one shares
  kEscape = 10,   ///< 8 bits behind the code are one byte of text
  kNoSymbol = 15  ///< no code begins with these bits
};

/// What one code stands for, as it lies in files.
struct Symbol {
  std::uint8_t bits = 0;  ///< length of its code, 1 .. kMostCodeBits
  std::uint8_t kind = 0;
  std::array<std::uint8_t, kMostText> text{};
};
static_assert(sizeof(Symbol) == 9);

/// Text of up to kMostText bytes and its length as one number.
inline std::uint64_t text_key(const char* text, std::size_t length) {
  std::uint64_t key = 0;
  std::memcpy(&key, text, length);
  return key | static_cast<std::uint64_t>(length) << 56U;
}

/// Up to this many symbols.
inline constexpr std::size_t kMostSymbols = std::size_t{1} << kMostCodeBits;

/// A canonical prefix code: symbols with the shortest codes come first; each code is the successor of the one before.
class SymbolTable {
 public:
  /// Throws Error(kBadData) when these symbols have no such code.
  explicit SymbolTable(std::vector<Symbol> symbols);
  [[nodiscard]] std::span<const Symbol> symbols() const { return symbols_; }
  /// Code of each symbol, in its low bits.
  [[nodiscard]] std::span<const std::uint16_t> codes() const { return codes_; }
  /// By the next kMostCodeBits bits: text << 8 | bits << 4 | kind.
  [[nodiscard]] const std::uint64_t* decode() const { return decode_.data(); }

 private:
  std::vector<Symbol> symbols_;
  std::vector<std::uint16_t> codes_;
  std::vector<std::uint64_t> decode_;
};

}  // namespace tessera::storage::detail
