// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/detail/chunk_layout.hpp"

#include <bit>

namespace tessera::packing::detail {
namespace {

constexpr unsigned kBaseWidthBits = 6;

bool read_column(BitReader& reader, std::size_t count, Patched& column) {
  const auto read = Patched::read_header(reader, count);
  if (read) column = *read;
  return read.has_value();
}

bool read_header(BitReader& reader, ChunkLayout& layout) {
  layout.queries = reader.get(kCountBits) + 1;
  layout.lists = reader.get(kCountBits) + 1;
  if (layout.lists > layout.queries) return false;
  if (layout.lists < layout.queries) layout.lengths_as = reader.get(1) == 0 ? Lengths::kBitmap : Lengths::kNumbers;
  layout.firsts_are_changes = reader.get(1) == 1;
  layout.has_dictionary = reader.get(1) == 1;
  if (layout.has_dictionary) layout.entries = reader.get(kCountBits) + 1;
  const auto base_width = static_cast<unsigned>(reader.get(kBaseWidthBits));
  if (base_width > 32) return false;
  layout.base = static_cast<std::uint32_t>(reader.get(base_width));
  return read_column(reader, layout.lists - 1, layout.source_gaps) &&
         (layout.lengths_as != Lengths::kNumbers || read_column(reader, layout.lists, layout.lengths)) &&
         read_column(reader, layout.lists, layout.firsts) &&
         (layout.lengths_as == Lengths::kOnes ||
          read_column(reader, layout.queries - layout.lists, layout.target_gaps)) &&
         (!layout.has_dictionary || read_column(reader, layout.entries - 1, layout.dictionary));
}

}  // namespace

std::optional<ChunkLayout> read_layout(std::span<const std::uint8_t> bytes) {
  BitReader reader(bytes);
  ChunkLayout layout;
  if (!read_header(reader, layout) || !reader.is_sound()) return std::nullopt;
  std::size_t used = reader.bytes_read();
  const auto place = [&](std::size_t column_bytes) {
    const std::uint8_t* at = bytes.data() + (used <= bytes.size() ? used : 0);
    used += column_bytes;
    return at;
  };
  layout.at_source_gaps = place(layout.source_gaps.bytes());
  layout.at_lengths =
      place(layout.lengths_as == Lengths::kBitmap ? bytes_of_bits(layout.queries) : layout.lengths.bytes());
  layout.at_firsts = place(layout.firsts.bytes());
  layout.at_target_gaps = place(layout.target_gaps.bytes());
  layout.at_dictionary = place(layout.dictionary.bytes());
  if (used != bytes.size()) return std::nullopt;
  return layout;
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

bool has_ones(std::span<const std::uint64_t> words, std::size_t count, std::size_t ones) {
  std::size_t found = 0;
  for (std::size_t w = 0; w < count / 64; ++w) found += static_cast<std::size_t>(std::popcount(words[w]));
  if (count % 64 != 0)
    found += static_cast<std::size_t>(std::popcount(words[count / 64] & ((std::uint64_t{1} << (count % 64)) - 1)));
  return (words[0] & 1) != 0 && found == ones;
}

std::size_t position_of_one(std::span<const std::uint64_t> words, std::size_t before) {
  std::size_t w = 0;
  for (std::size_t ones = 0; before >= (ones = static_cast<std::size_t>(std::popcount(words[w]))); ++w) before -= ones;
  std::uint64_t bits = words[w];
  for (; before > 0; --before) bits &= bits - 1;
  return 64 * w + static_cast<unsigned>(std::countr_zero(bits));
}

}  // namespace tessera::packing::detail
