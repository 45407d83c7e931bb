// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/patched.hpp"

#include "packing/unpack.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace tessera::packing {
namespace {

constexpr unsigned kMostBits = 32;

std::uint32_t low_bits(std::uint32_t value, unsigned width) {
  return width >= kMostBits ? value : value & ((1U << width) - 1);
}

}  // namespace

Patched Patched::choose(std::span<const std::uint32_t> values) {
  std::array<std::size_t, kMostBits + 1> of_width{};
  for (const std::uint32_t value : values) ++of_width.at(std::bit_width(value));
  unsigned widest = kMostBits;
  while (widest > 0 && of_width.at(widest) == 0) --widest;
  Patched best{widest, 0, 0, values.size()};
  std::size_t patches = 0;
  for (unsigned width = widest; width-- > 0;) {
    patches += of_width.at(width + 1);
    const Patched next{width, widest - width, patches, values.size()};
    if (8 * next.bytes() + next.header_bits() < 8 * best.bytes() + best.header_bits()) best = next;
  }
  return best;
}

void Patched::write_header(BitWriter& writer) const {
  writer.put(width, 6);
  writer.put(patches > 0 ? 1 : 0, 1);
  if (patches == 0) return;
  writer.put(high_width, 6);
  writer.put(patches - 1, 10);
}

std::optional<Patched> Patched::read_header(BitReader& reader, std::size_t count) {
  Patched column{static_cast<unsigned>(reader.get(6)), 0, 0, count};
  if (reader.get(1) == 1) {
    column.high_width = static_cast<unsigned>(reader.get(6));
    column.patches = reader.get(10) + 1;
  }
  if (column.width + column.high_width > kMostBits || column.patches > count) return std::nullopt;
  return column;
}

void Patched::write(std::span<const std::uint32_t> values, BitWriter& writer) const {
  for (const std::uint32_t value : values) writer.put(low_bits(value, width), width);
  writer.align();
  if (patches == 0) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (low_bits(values[i], width) == values[i]) continue;
    writer.put(i, position_width());
    writer.put(values[i] >> width, high_width);
  }
  writer.align();
}

void Patched::read_some(const std::uint8_t* column, std::size_t first, std::size_t end, std::uint32_t* out) const {
  unpack(column + first / kUnpackGroup * width, width, end - first, out);
  const std::uint8_t* exceptions = column + low_bytes();
  const unsigned positions = position_width();
  for (std::size_t k = 0; k < patches; ++k) {
    const std::uint64_t bits = load_bits(exceptions, k * (positions + high_width), positions + high_width);
    const std::uint64_t position = bits & ((std::uint64_t{1} << positions) - 1);
    if (position >= first && position < end)
      out[position - first] |= static_cast<std::uint32_t>(bits >> positions << width);
  }
}

}  // namespace tessera::packing
