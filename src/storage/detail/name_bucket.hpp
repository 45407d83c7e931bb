// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/detail/symbol_parser.hpp"
#include "storage/detail/symbol_table.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tessera::storage::detail {

/// Readers of buckets load whole words: this many bytes behind the last bucket must be readable.
inline constexpr std::size_t kBucketPadding = 16;

/// Bytes at the start that two strings have in common.
std::size_t shared_bytes(std::string_view a, std::string_view b);

/// Codes buckets of ascending strings, each less the bytes it shares with the one before it.
class BucketWriter {
 public:
  /// `table` must outlive the writer.
  explicit BucketWriter(const SymbolTable& table);
  /// Appends a bucket, whole bytes, to `out`. The first string goes without its first `prefix` bytes.
  void write(std::span<const std::string> strings, std::size_t prefix, std::vector<std::uint8_t>& out);

 private:
  void put(std::uint64_t value, unsigned bits, std::vector<std::uint8_t>& out);
  void put_symbol(std::size_t index, std::vector<std::uint8_t>& out);
  void put_text(std::string_view text, std::vector<std::uint8_t>& out);
  void put_end(std::uint64_t shared, std::vector<std::uint8_t>& out);

  const SymbolTable& table_;
  SymbolParser parser_;
  std::vector<std::size_t> text_symbols_;  // symbol of each text of the parser
  std::array<std::size_t, 256> end_symbols_{};
  std::size_t long_end_ = kMostSymbols;
  std::size_t escape_ = kMostSymbols;
  std::uint64_t held_ = 0;
  unsigned used_ = 0;
};

/// Reads the strings of a bucket one after the other.
class BucketReader {
 public:
  /// `table` must outlive the reader.
  explicit BucketReader(const SymbolTable& table) : decode_(table.decode()) {}
  /// kBucketPadding bytes behind `bucket` are readable. Every string begins with `prefix`.
  void start(std::span<const std::uint8_t> bucket, std::string_view prefix);
  /// Decodes the next string. Throws Error(kBadData).
  void next();
  /// Valid until the next call.
  [[nodiscard]] std::string_view string() const { return {buffer_.data(), size_}; }
  /// Bytes that the string shares with the one before it.
  [[nodiscard]] std::size_t shared() const { return shared_; }
  /// Whether the bucket has no byte behind what was read.
  [[nodiscard]] bool is_at_end() const { return (bit_ + 7) / 8 == end_bit_ / 8; }

 private:
  char* make_room(const char* out);
  std::uint64_t take(unsigned bits);

  const std::uint64_t* decode_;
  const std::uint8_t* bytes_ = nullptr;
  std::uint64_t bit_ = 0;
  std::uint64_t end_bit_ = 0;
  std::size_t size_ = 0;
  std::size_t shared_ = 0;
  std::size_t next_shared_ = 0;
  std::vector<char> buffer_;
};

}  // namespace tessera::storage::detail
