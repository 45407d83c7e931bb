// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/detail/name_bucket.hpp"

#include "core/error.hpp"

#include <algorithm>

namespace tessera::storage::detail {
namespace {

constexpr std::uint64_t kMostShared = (std::uint64_t{1} << 32U) - 1;

std::vector<SymbolParser::Text> texts_of(const SymbolTable& table) {
  std::vector<SymbolParser::Text> texts;
  for (const Symbol& symbol : table.symbols())
    if (symbol.kind <= kMostText)
      texts.push_back({text_key(reinterpret_cast<const char*>(symbol.text.data()), symbol.kind), symbol.bits});
  return texts;
}

std::uint32_t escape_cost(const SymbolTable& table) {
  for (const Symbol& symbol : table.symbols())
    if (symbol.kind == kEscape) return symbol.bits + 8;
  return kMostCodeBits + 8;
}

std::uint64_t load_big_endian(const std::uint8_t* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return __builtin_bswap64(word);
}

[[noreturn]] void fail_damaged() { fail(ExitStatus::kBadData, "a block of strings is damaged"); }

}  // namespace

std::size_t shared_bytes(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t shared = 0;
  while (shared < most && a[shared] == b[shared]) ++shared;
  return shared;
}

BucketWriter::BucketWriter(const SymbolTable& table) : table_(table), parser_(texts_of(table), escape_cost(table)) {
  end_symbols_.fill(kMostSymbols);
  for (std::size_t i = 0; i < table.symbols().size(); ++i) {
    const Symbol& symbol = table.symbols()[i];
    if (symbol.kind <= kMostText) text_symbols_.push_back(i);
    if (symbol.kind == kEnd) end_symbols_.at(symbol.text[0]) = i;
    if (symbol.kind == kLongEnd) long_end_ = i;
    if (symbol.kind == kEscape) escape_ = i;
  }
}

void BucketWriter::put(std::uint64_t value, unsigned bits, std::vector<std::uint8_t>& out) {
  held_ = held_ << bits | value;
  for (used_ += bits; used_ >= 8; used_ -= 8) out.push_back(static_cast<std::uint8_t>(held_ >> (used_ - 8)));
}

void BucketWriter::put_symbol(std::size_t index, std::vector<std::uint8_t>& out) {
  TESSERA_ASSERT(index < table_.symbols().size(), "strings need a symbol that is not there");
  put(table_.codes()[index], table_.symbols()[index].bits, out);
}

void BucketWriter::put_text(std::string_view text, std::vector<std::uint8_t>& out) {
  for (std::size_t first = 0; first < text.size(); first += SymbolParser::kMostPiece) {
    for (const std::uint16_t index : parser_.parse(text.substr(first, SymbolParser::kMostPiece))) {
      const bool is_escaped = (index & SymbolParser::kEscaped) != 0;
      put_symbol(is_escaped ? escape_ : text_symbols_[index], out);
      if (is_escaped) put(index & 0xFFU, 8, out);
    }
  }
}

void BucketWriter::put_end(std::uint64_t shared, std::vector<std::uint8_t>& out) {
  TESSERA_ASSERT(shared <= kMostShared, "strings share more than 4 GiB");
  const std::size_t symbol = shared < end_symbols_.size() ? end_symbols_.at(shared) : kMostSymbols;
  put_symbol(symbol == kMostSymbols ? long_end_ : symbol, out);
  if (symbol == kMostSymbols) put(shared, 32, out);
}

void BucketWriter::write(std::span<const std::string> strings, std::size_t prefix, std::vector<std::uint8_t>& out) {
  std::size_t shared = prefix;
  for (std::size_t i = 0; i < strings.size(); ++i) {
    put_text(std::string_view(strings[i]).substr(shared), out);
    shared = i + 1 < strings.size() ? shared_bytes(strings[i], strings[i + 1]) : 0;
    put_end(shared, out);
  }
  if (used_ > 0) put(0, 8 - used_, out);
  held_ = 0;
}

void BucketReader::start(std::span<const std::uint8_t> bucket, std::string_view prefix) {
  bytes_ = bucket.data();
  bit_ = 0;
  end_bit_ = 8 * bucket.size();
  if (buffer_.size() < prefix.size()) buffer_.resize(prefix.size());
  std::copy(prefix.begin(), prefix.end(), buffer_.begin());
  size_ = prefix.size();
  next_shared_ = prefix.size();
}

/// Room for the text of one window.
char* BucketReader::make_room(const char* out) {
  const auto used = static_cast<std::size_t>(out - buffer_.data());
  buffer_.resize(std::max<std::size_t>(256, 2 * buffer_.size()));
  return buffer_.data() + used;
}

std::uint64_t BucketReader::take(unsigned bits) {
  const std::uint64_t value = load_big_endian(bytes_ + bit_ / 8) << (bit_ % 8) >> (64 - bits);
  bit_ += bits;
  return value;
}

void BucketReader::next() {
  constexpr std::size_t kRoom = 5 * 8;  // five codes of at most 12 bits are in a window of 57 bits, with less behind
  if (next_shared_ > size_) fail_damaged();
  shared_ = next_shared_;
  std::size_t room = buffer_.size();
  char* out = buffer_.data() + shared_;
  while (true) {
    if (bit_ >= end_bit_) fail_damaged();
    if (static_cast<std::size_t>(out - buffer_.data()) + kRoom > room) {
      out = make_room(out);
      room = buffer_.size();
    }
    std::uint64_t window = load_big_endian(bytes_ + bit_ / 8) << (bit_ % 8);
    std::uint64_t entry = 0;
    unsigned kind = 0;
    for (int i = 0; i < 4; ++i) {
      entry = decode_[window >> (64 - kMostCodeBits)];
      kind = entry & 15U;
      const auto bits = static_cast<unsigned>(entry >> 4U & 15U);
      bit_ += bits;
      if (kind > kMostText) break;
      const std::uint64_t text = entry >> 8U;
      std::memcpy(out, &text, sizeof(text));
      out += kind;
      window <<= bits;
    }
    if (kind <= kMostText) continue;
    if (kind == kEscape) {
      *out++ = static_cast<char>(take(8));
      continue;
    }
    if (kind != kEnd && kind != kLongEnd) fail_damaged();
    next_shared_ = kind == kEnd ? entry >> 8U & 0xFFU : take(32);
    if (bit_ > end_bit_) fail_damaged();
    size_ = static_cast<std::size_t>(out - buffer_.data());
    return;
  }
}

}  // namespace tessera::storage::detail
