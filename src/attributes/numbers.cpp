// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/numbers.hpp"

#include "packing/patched.hpp"
#include "packing/select.hpp"
#include "packing/unpack.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace tessera::attributes {
namespace {

using packing::BitReader;
using packing::BitWriter;
using packing::Patched;

constexpr unsigned kHalf = 32;
constexpr unsigned kMostPut = 32;

using Half = std::array<std::uint32_t, Numbers::kBlock + packing::kUnpackGroup>;

std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1U ^ static_cast<std::uint64_t>(value >> 63);
}

std::int64_t unzigzag(std::uint64_t value) { return static_cast<std::int64_t>(value >> 1U ^ (0 - (value & 1U))); }

/// value - base, as large as it may be.
std::uint64_t difference(std::int64_t value, std::int64_t base) {
  return static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(base);
}

std::int64_t sum(std::int64_t base, std::uint64_t more) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(base) + more);
}

std::uint64_t largest(const Patched& column) { return (std::uint64_t{1} << (column.width + column.high_width)) - 1; }

void put_long(BitWriter& writer, std::uint64_t value, unsigned width) {
  writer.put(value & 0xFFFFFFFFU, std::min(width, kMostPut));
  if (width > kMostPut) writer.put(value >> kMostPut, width - kMostPut);
}

std::uint64_t get_long(BitReader& reader, unsigned width) {
  const std::uint64_t low = reader.get(std::min(width, kMostPut));
  return width > kMostPut ? low | reader.get(width - kMostPut) << kMostPut : low;
}

void encode_block(std::span<const std::int64_t> values, detail::Bytes& out) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  std::vector<std::uint32_t> low;
  std::vector<std::uint32_t> high;
  for (const std::int64_t value : values) {
    low.push_back(static_cast<std::uint32_t>(difference(value, *least)));
    high.push_back(static_cast<std::uint32_t>(difference(value, *least) >> kHalf));
  }
  const bool is_wide = difference(*most, *least) >> kHalf != 0;
  const Patched low_column = Patched::choose(low);
  const Patched high_column = Patched::choose(high);
  BitWriter writer(out);
  const auto width = static_cast<unsigned>(std::bit_width(zigzag(*least)));
  writer.put(width, 7);
  put_long(writer, zigzag(*least), width);
  writer.put(is_wide ? 1 : 0, 1);
  low_column.write_header(writer);
  if (is_wide) high_column.write_header(writer);
  writer.align();
  low_column.write(low, writer);
  if (is_wide) high_column.write(high, writer);
}

}  // namespace

/// The header of a block, and where its numbers are.
struct Numbers::Block {
  std::int64_t least = 0;
  bool is_wide = false;
  Patched low;
  Patched high;
  const std::uint8_t* data = nullptr;
  std::size_t bytes = 0;  // header and numbers
  [[nodiscard]] const std::uint8_t* high_data() const { return data + low.bytes(); }
  [[nodiscard]] std::uint64_t span() const { return largest(low) | (is_wide ? largest(high) << kHalf : 0); }
};

void Numbers::encode(std::span<const std::int64_t> values, std::vector<std::uint8_t>& out) {
  if (values.empty()) return;
  detail::Bytes blocks;
  std::vector<std::uint64_t> starts;
  for (std::size_t first = 0; first < values.size(); first += kBlock) {
    starts.push_back(blocks.size());
    encode_block(values.subspan(first, std::min<std::size_t>(kBlock, values.size() - first)), blocks);
  }
  detail::put_varint(out, blocks.size());
  BitWriter writer(out);
  const auto width = static_cast<unsigned>(std::bit_width(blocks.size()));
  for (std::size_t i = 1; i < starts.size(); ++i) writer.put(starts[i], width);
  writer.align();
  detail::put_bytes(out, blocks);
}

Numbers::Numbers(detail::ByteReader& reader, std::uint64_t count) : count_(count) {
  if (count == 0) return;
  const std::uint64_t bytes = reader.varint(reader.rest().size(), "its numbers are longer than the column");
  if (block_count() > bytes) detail::damaged("it has fewer bytes than blocks of numbers");
  start_width_ = static_cast<unsigned>(std::bit_width(bytes));
  starts_ = reader.take(packing::bytes_of_bits((block_count() - 1) * start_width_));
  blocks_ = reader.take(bytes);
  for (std::uint64_t i = 0; i < block_count(); ++i)
    if (start(i) > bytes || block(i).data == nullptr) detail::damaged("a block of numbers is damaged");
}

std::uint64_t Numbers::start(std::uint64_t index) const {
  return index == 0 ? 0 : packing::load_bits(starts_.data(), (index - 1) * start_width_, start_width_);
}

/// Without data when it is damaged.
Numbers::Block Numbers::block(std::uint64_t index) const {
  const detail::ByteSpan bytes = blocks_.subspan(start(index));
  const auto count = static_cast<std::size_t>(std::min(kBlock, count_ - index * kBlock));
  BitReader reader(bytes);
  Block block;
  const auto width = static_cast<unsigned>(reader.get(7));
  if (width > 64) return block;
  block.least = unzigzag(get_long(reader, width));
  block.is_wide = reader.get(1) == 1;
  const auto low = Patched::read_header(reader, count);
  const auto high = block.is_wide ? Patched::read_header(reader, count) : Patched{0, 0, 0, count};
  if (!low || !high) return block;
  block.low = *low;
  block.high = *high;
  block.bytes = reader.bytes_read() + block.low.bytes() + block.high.bytes();
  if (reader.is_sound() && block.bytes <= bytes.size()) block.data = bytes.data() + reader.bytes_read();
  return block;
}

std::int64_t Numbers::operator[](std::uint64_t i) const {
  const Block in = block(i / kBlock);
  const std::size_t place = i % kBlock;
  const std::size_t first = place / packing::kUnpackGroup * packing::kUnpackGroup;
  const std::size_t end = std::min(first + packing::kUnpackGroup, in.low.count);
  std::array<std::uint32_t, packing::kUnpackGroup> out{};
  in.low.read_some(in.data, first, end, out.data());
  std::uint64_t value = out.at(place - first);
  if (in.is_wide) {
    in.high.read_some(in.high_data(), first, end, out.data());
    value |= static_cast<std::uint64_t>(out.at(place - first)) << kHalf;
  }
  return sum(in.least, value);
}

std::size_t Numbers::read_block(std::uint64_t index, std::span<std::int64_t, kBlock> out) const {
  const Block in = block(index);
  Half low;
  in.low.read(in.data, low.data());
  for (std::size_t i = 0; i < in.low.count; ++i) out[i] = sum(in.least, low[i]);
  if (!in.is_wide) return in.low.count;
  in.high.read(in.high_data(), low.data());
  for (std::size_t i = 0; i < in.low.count; ++i) out[i] = sum(out[i], static_cast<std::uint64_t>(low[i]) << kHalf);
  return in.low.count;
}

void Numbers::select(const Interval& interval, std::span<std::uint64_t> bits) const {
  if (interval.low > interval.high) return;
  for (std::uint64_t i = 0; i < block_count(); ++i) select_block(block(i), interval, &bits[i * kBlock / 64]);
}

void Numbers::select_block(const Block& block, const Interval& interval, std::uint64_t* bits) const {
  if (interval.high < block.least) return;
  const std::uint64_t low = interval.low <= block.least ? 0 : difference(interval.low, block.least);
  const std::uint64_t high = std::min(difference(interval.high, block.least), block.span());
  if (low > high) return;
  const std::size_t count = block.low.count;
  if (low == 0 && high == block.span()) return packing::set_bits(count, bits);
  Half values;
  block.low.read(block.data, values.data());
  if (!block.is_wide)
    return packing::select_range(values.data(), count, static_cast<std::uint32_t>(low),
                                 static_cast<std::uint32_t>(high), bits);
  Half upper;
  block.high.read(block.high_data(), upper.data());
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t value = values[i] | static_cast<std::uint64_t>(upper[i]) << kHalf;
    if (value >= low && value <= high) bits[i / 64] |= std::uint64_t{1} << (i % 64);
  }
}

Interval Numbers::range() const {
  Interval all{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()};
  for (std::uint64_t i = 0; i < block_count(); ++i) {
    const Block in = block(i);
    const bool wraps = in.span() > difference(std::numeric_limits<std::int64_t>::max(), in.least);
    all.low = std::min(all.low, in.least);
    all.high = std::max(all.high, wraps ? std::numeric_limits<std::int64_t>::max() : sum(in.least, in.span()));
  }
  return all;
}

}  // namespace tessera::attributes
