// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/detail/symbol_parser.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <bit>

namespace tessera::storage::detail {
namespace {

constexpr std::uint64_t mask(std::size_t bytes) { return (std::uint64_t{1} << (8 * bytes)) - 1; }

}  // namespace

SymbolParser::SymbolParser(std::span<const Text> texts, std::uint32_t escape_cost)
    : entries_(std::size_t{1} << kSlotBits), lengths_(std::size_t{1} << 17U, 0) {
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte)
    bytes_.at(byte) = {byte, escape_cost, static_cast<std::uint16_t>(kEscaped | byte)};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Entry entry{texts[i].key, texts[i].cost, static_cast<std::uint16_t>(i)};
    const auto length = static_cast<std::uint8_t>(entry.key >> 56U);
    if (length == 1) {
      bytes_.at(entry.key & 0xFFU) = entry;
      continue;
    }
    std::size_t at = slot(entry.key);
    while (entries_[at].key != 0) at = (at + 1) % entries_.size();
    entries_[at] = entry;
    lengths_[length == 2 ? entry.key & 0xFFFFU : place_of_three(entry.key)] |= static_cast<std::uint8_t>(1U << length);
  }
}

/// From the end to the start: the cheapest symbol at each place.
void SymbolParser::choose(std::string_view piece, std::size_t most) {
  std::copy(piece.begin(), piece.end(), text_.begin());
  best_[piece.size()] = 0;
  for (std::size_t i = piece.size(); i-- > 0;) {
    std::uint64_t word = 0;
    std::memcpy(&word, text_.data() + i, sizeof(word));
    const Entry& byte = bytes_[word & 0xFFU];
    std::uint32_t best = byte.cost + best_[i + 1];
    std::uint16_t choice = byte.index;
    std::uint8_t chosen = 1;
    const std::size_t longest = std::min(piece.size() - i, most);
    unsigned lengths = lengths_[word & 0xFFFFU] | lengths_[place_of_three(word)];
    for (lengths &= (2U << longest) - 1; lengths != 0; lengths &= lengths - 1) {
      const auto length = static_cast<std::size_t>(std::countr_zero(lengths));
      const std::uint64_t key = (word & mask(length)) | static_cast<std::uint64_t>(length) << 56U;
      std::size_t at = slot(key);
      while (entries_[at].key != key && entries_[at].key != 0) at = (at + 1) % entries_.size();
      const Entry& entry = entries_[at];
      if (entry.key == 0 || entry.cost + best_[i + length] > best) continue;
      best = entry.cost + best_[i + length];
      choice = entry.index;
      chosen = static_cast<std::uint8_t>(length);
    }
    best_[i] = best;
    choice_[i] = choice;
    length_[i] = chosen;
  }
}

std::span<const std::uint16_t> SymbolParser::parse(std::string_view piece) {
  TESSERA_ASSERT(piece.size() <= kMostPiece, "a piece is too long");
  choose(piece, kMostText);
  std::size_t count = 0;
  for (std::size_t i = 0; i < piece.size(); i += length_[i]) parsed_[count++] = choice_[i];
  return std::span(parsed_).first(count);
}

std::uint64_t SymbolParser::cost(std::string_view piece, std::size_t most) {
  choose(piece, most);
  return best_[0];
}

}  // namespace tessera::storage::detail
