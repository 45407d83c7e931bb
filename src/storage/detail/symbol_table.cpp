// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/detail/symbol_table.hpp"

#include "core/error.hpp"

#include <algorithm>

namespace tessera::storage::detail {
namespace {

bool is_sound(const Symbol& symbol) {
  const bool is_text = symbol.kind >= 1 && symbol.kind <= kMostText;
  return symbol.bits >= 1 && symbol.bits <= kMostCodeBits &&
         (is_text || symbol.kind == kEnd || symbol.kind == kLongEnd || symbol.kind == kEscape);
}

std::uint64_t decode_entry(const Symbol& symbol) {
  std::uint64_t text = 0;
  std::memcpy(&text, symbol.text.data(), symbol.text.size());
  return text << 8U | static_cast<std::uint64_t>(symbol.bits) << 4U | symbol.kind;
}

}  // namespace

SymbolTable::SymbolTable(std::vector<Symbol> symbols) : symbols_(std::move(symbols)), decode_(kMostSymbols, kNoSymbol) {
  std::size_t first = 0;  // of the entries that the next code takes
  unsigned bits = 1;
  for (const Symbol& symbol : symbols_) {
    const std::size_t entries = is_sound(symbol) ? kMostSymbols >> symbol.bits : 0;
    if (entries == 0 || symbol.bits < bits || first + entries > kMostSymbols)
      fail(ExitStatus::kBadData, "the symbols of strings are not a prefix code");
    bits = symbol.bits;
    codes_.push_back(static_cast<std::uint16_t>(first / entries));
    std::fill_n(decode_.begin() + static_cast<std::ptrdiff_t>(first), entries, decode_entry(symbol));
    first += entries;
  }
}

}  // namespace tessera::storage::detail
