// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/detail/chunk_layout.hpp"

#include <bit>
#include <cstring>

namespace tessera::packing::detail {
namespace {

constexpr unsigned kBaseWidthBits = 6;

/// The bits of a header. They are few, so that the padding of the bytes makes up for those that are not there: the
/// end is checked once.
class HeaderBits {
 public:
  explicit HeaderBits(const std::uint8_t* bytes) : bytes_(bytes) {}
  /// The next 57 bits, and whatever lies behind them.
  [[nodiscard]] std::uint64_t next() const {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes_ + bit_ / 8, sizeof(word));
    return word >> (bit_ % 8);
  }
  void skip(std::uint64_t bits) { bit_ += bits; }
  [[nodiscard]] std::size_t bytes_read() const { return bytes_of_bits(bit_); }

 private:
  const std::uint8_t* bytes_;
  std::uint64_t bit_ = 0;
};

constexpr std::uint64_t bits_of(std::uint64_t word, std::uint64_t first, unsigned width) {
  return word >> first & ((std::uint64_t{1} << width) - 1);
}

bool read_column(HeaderBits& header, std::size_t count, Patched& column) {
  const std::uint64_t bits = header.next();
  const bool is_patched = bits_of(bits, 6, 1) != 0;
  column.count = count;
  column.width = static_cast<unsigned>(bits_of(bits, 0, 6));
  column.high_width = is_patched ? static_cast<unsigned>(bits_of(bits, 7, 6)) : 0;
  column.patches = is_patched ? bits_of(bits, 13, kCountBits) + 1 : 0;
  header.skip(is_patched ? 23 : 7);
  return column.width + column.high_width <= 32 && column.patches <= count;
}

/// What comes before the headers of the columns: at most 39 bits, then the least target.
bool read_counts(HeaderBits& header, ChunkLayout& layout) {
  const std::uint64_t bits = header.next();
  layout.queries = bits_of(bits, 0, kCountBits) + 1;
  layout.lists = bits_of(bits, kCountBits, kCountBits) + 1;
  if (layout.lists > layout.queries) return false;
  std::uint64_t bit = 2 * kCountBits;
  if (layout.lists < layout.queries)
    layout.lengths_as = bits_of(bits, bit++, 1) == 0 ? Lengths::kBitmap : Lengths::kNumbers;
  layout.firsts_are_changes = bits_of(bits, bit++, 1) == 1;
  layout.has_dictionary = bits_of(bits, bit++, 1) == 1;
  if (layout.has_dictionary) layout.entries = bits_of(bits, bit, kCountBits) + 1;
  bit += layout.has_dictionary ? kCountBits : 0;
  const auto base_width = static_cast<unsigned>(bits_of(bits, bit, kBaseWidthBits));
  if (base_width > 32) return false;
  header.skip(bit + kBaseWidthBits);
  layout.base = static_cast<std::uint32_t>(bits_of(header.next(), 0, base_width));
  header.skip(base_width);
  return true;
}

bool read_columns(HeaderBits& header, ChunkLayout& layout) {
  return read_column(header, layout.lists - 1, layout.source_gaps) &&
         (layout.lengths_as != Lengths::kNumbers || read_column(header, layout.lists, layout.lengths)) &&
         read_column(header, layout.lists, layout.firsts) &&
         (layout.lengths_as == Lengths::kOnes ||
          read_column(header, layout.queries - layout.lists, layout.target_gaps)) &&
         (!layout.has_dictionary || read_column(header, layout.entries - 1, layout.dictionary));
}

}  // namespace

bool read_layout(std::span<const std::uint8_t> bytes, ChunkLayout& layout) {
  HeaderBits header(bytes.data());
  if (!read_counts(header, layout) || !read_columns(header, layout)) return false;
  std::size_t used = header.bytes_read();
  const auto place = [&](std::size_t column_bytes) {
    const std::uint8_t* at = bytes.data() + used;
    used += column_bytes;
    return at;
  };
  layout.at_source_gaps = place(layout.source_gaps.bytes());
  layout.at_lengths =
      place(layout.lengths_as == Lengths::kBitmap ? bytes_of_bits(layout.queries) : layout.lengths.bytes());
  layout.at_firsts = place(layout.firsts.bytes());
  layout.at_target_gaps = place(layout.target_gaps.bytes());
  layout.at_dictionary = place(layout.dictionary.bytes());
  return used == bytes.size();
}

void write_header(const ChunkLayout& layout, BitWriter& writer) {
  writer.put(layout.queries - 1, kCountBits);
  writer.put(layout.lists - 1, kCountBits);
  if (layout.lists < layout.queries) writer.put(layout.lengths_as == Lengths::kBitmap ? 0 : 1, 1);
  writer.put(layout.firsts_are_changes ? 1 : 0, 1);
  writer.put(layout.has_dictionary ? 1 : 0, 1);
  if (layout.has_dictionary) writer.put(layout.entries - 1, kCountBits);
  const auto base_width = static_cast<unsigned>(std::bit_width(layout.base));
  writer.put(base_width, kBaseWidthBits);
  writer.put(layout.base, base_width);
  layout.source_gaps.write_header(writer);
  if (layout.lengths_as == Lengths::kNumbers) layout.lengths.write_header(writer);
  layout.firsts.write_header(writer);
  if (layout.lengths_as != Lengths::kOnes) layout.target_gaps.write_header(writer);
  if (layout.has_dictionary) layout.dictionary.write_header(writer);
  writer.align();
}

}  // namespace tessera::packing::detail
