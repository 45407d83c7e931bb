// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/detail/decode.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "packing/decode_chunk.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "packing/detail/kernels-inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::packing::detail {
namespace HWY_NAMESPACE {

HWY_INLINE bool read_sources(const ChunkLayout& layout, const ChunkStart& start, std::uint32_t* gaps,
                             std::uint32_t* sources) {
  const std::size_t count = layout.lists - 1;
  const std::uint64_t most = read_column(layout.source_gaps, layout.at_source_gaps, gaps) + count + start.first_source;
  return add_gaps_below(gaps, count, start.first_source, most, sources) < start.bounds.sources;
}

HWY_INLINE bool read_dictionary(const ChunkLayout& layout, const ChunkBounds& bounds, ChunkArrays& arrays) {
  const std::size_t count = layout.entries - 1;
  const std::uint64_t most = read_column(layout.dictionary, layout.at_dictionary, arrays.gaps.data()) + count;
  return add_gaps_below(arrays.gaps.data(), count, layout.base, most + layout.base, arrays.dictionary.data()) <
         bounds.targets;
}

HWY_INLINE std::uint32_t first_base(const ChunkLayout& layout) { return layout.has_dictionary ? 0 : layout.base; }

/// The first targets of the first `count` lists. Returns the largest.
HWY_INLINE std::uint32_t read_firsts(const ChunkLayout& layout, std::size_t count, std::uint32_t* firsts) {
  read_column(layout.firsts, layout.at_firsts, firsts);
  return end_firsts(layout.firsts_are_changes, first_base(layout), count, firsts);
}

/// Positions of the first queries of all lists, out of their lengths.
HWY_INLINE bool read_positions(const ChunkLayout& layout, std::uint32_t* lengths, std::uint32_t* positions) {
  const std::uint64_t most = read_column(layout.lengths, layout.at_lengths, lengths) + layout.lists;
  return add_gaps_below(lengths, layout.lists, 0, most, positions) == layout.queries;
}

/// Bit i of each word for byte i of `marks`.
HWY_INLINE void marks_to_bits(const std::uint8_t* marks, std::size_t words, std::uint64_t* bits) {
#if HWY_TARGET == HWY_SCALAR
  for (std::size_t w = 0; w < words; ++w) {
    bits[w] = 0;
    for (std::size_t i = 0; i < 64; ++i) bits[w] |= std::uint64_t{marks[64 * w + i]} << i;
  }
#else
  const hn::CappedTag<std::uint8_t, 64> d;
  auto* out = reinterpret_cast<std::uint8_t*>(bits);
  for (std::size_t i = 0; i < 64 * words; i += hn::Lanes(d))
    hn::StoreMaskBits(d, hn::Ne(hn::LoadU(d, marks + i), hn::Zero(d)), out + i / 8);
#endif
}

/// The words of the bitmap, without bits behind the last query.
HWY_INLINE void copy_bitmap(const ChunkLayout& layout, std::uint64_t* bits) {
  const std::size_t words = (layout.queries + 63) / 64;
  std::memcpy(bits, layout.at_lengths, 8 * words);
  if (layout.queries % 64 != 0) bits[words - 1] &= (std::uint64_t{1} << (layout.queries % 64)) - 1;
}

/// Whether the first query is a start, and as many are as there are lists.
HWY_INLINE bool has_starts(const ChunkLayout& layout, const std::uint64_t* bits) {
  std::size_t found = 0;
  for (std::size_t w = 0; w < (layout.queries + 63) / 64; ++w) found += count_ones(bits[w]);
  return (bits[0] & 1) != 0 && found == layout.lists;
}

/// The bits that mark the first queries of lists.
HWY_INLINE bool read_starts(const ChunkLayout& layout, ChunkArrays& arrays) {
  if (layout.lengths_as == Lengths::kBitmap) {
    copy_bitmap(layout, arrays.starts.data());
    return has_starts(layout, arrays.starts.data());
  }
  if (!read_positions(layout, arrays.gaps.data(), arrays.sums.data())) return false;
  const std::size_t words = (layout.queries + 63) / 64;
  std::uint8_t* marks = arrays.marks.data();
  for (std::size_t w = 0; w < words; ++w) std::memset(marks + 64 * w, 0, 64);
  for (std::size_t j = 0; j < layout.lists; ++j) marks[arrays.sums[j]] = 1;
  marks_to_bits(marks, words, arrays.starts.data());
  return true;
}

HWY_INLINE bool look_up(const ChunkLayout& layout, std::uint64_t largest, std::size_t count, ChunkArrays& arrays) {
  if (largest >= layout.entries) return false;
  const std::uint32_t* dictionary = arrays.dictionary.data();
  std::uint32_t* targets = arrays.targets.data();
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    targets[i] = dictionary[targets[i]];
    targets[i + 1] = dictionary[targets[i + 1]];
    targets[i + 2] = dictionary[targets[i + 2]];
    targets[i + 3] = dictionary[targets[i + 3]];
  }
  for (; i < count; ++i) targets[i] = dictionary[targets[i]];
  return true;
}

/// A chunk in which some list has several queries. Returns the largest target.
HWY_INLINE std::optional<std::uint64_t> decode_lists(const ChunkLayout& layout, const ChunkStart& start,
                                                     ChunkArrays& arrays) {
  if (!read_sources(layout, start, arrays.gaps.data(), arrays.list_sources.data()) || !read_starts(layout, arrays))
    return std::nullopt;
  const std::uint64_t largest = read_firsts(layout, layout.lists, arrays.firsts.data());
  const std::uint64_t most = read_column(layout.target_gaps, layout.at_target_gaps, arrays.gaps.data()) + largest +
                             (layout.queries - layout.lists);
  const Lists lists{arrays.starts.data(), layout.lists, arrays.list_sources.data(), arrays.firsts.data(),
                    arrays.gaps.data()};
  return join_lists_below(lists, layout.queries, most, arrays.sums.data(),
                          {arrays.sources.data(), arrays.targets.data()});
}

bool decode_all(const ChunkLayout& layout, const ChunkStart& start, ChunkArrays& arrays) {
  if (layout.has_dictionary && !read_dictionary(layout, start.bounds, arrays)) return false;
  std::uint64_t largest = 0;
  if (layout.lists == layout.queries) {
    if (!read_sources(layout, start, arrays.gaps.data(), arrays.sources.data())) return false;
    largest = read_firsts(layout, layout.lists, arrays.targets.data());
  } else {
    const auto found = decode_lists(layout, start, arrays);
    if (!found) return false;
    largest = *found;
  }
  return layout.has_dictionary ? look_up(layout, largest, layout.queries, arrays) : largest < start.bounds.targets;
}

/// Numbers first .. end - 1 of a column; `first` begins a group.
HWY_INLINE void read_some(const Patched& column, const std::uint8_t* bytes, std::pair<std::size_t, std::size_t> range,
                          std::uint32_t* out) {
  unpack_numbers(bytes + range.first / kUnpackGroup * column.width, column.width, range.second - range.first, out);
  const std::uint8_t* exceptions = bytes + column.low_bytes();
  const unsigned positions = column.position_width();
  const unsigned width = positions + column.high_width;
  for (std::size_t k = 0; k < column.patches; ++k) {
    const std::uint64_t bits = load_bits(exceptions, k * width, width);
    const std::uint64_t position = bits & ((std::uint64_t{1} << positions) - 1);
    if (position >= range.first && position < range.second)
      out[position - range.first] |= static_cast<std::uint32_t>(bits >> positions << column.width);
  }
}

HWY_INLINE std::size_t position_in(const std::uint64_t* words, std::size_t before) {
  std::size_t w = 0;
  for (std::size_t ones = 0; before >= (ones = count_ones(words[w])); ++w) before -= ones;
  return 64 * w + position_of_one(words[w], static_cast<unsigned>(before));
}

/// First and end of the queries of a list.
HWY_INLINE std::optional<std::pair<std::size_t, std::size_t>> list_range(const ChunkLayout& layout, std::size_t list,
                                                                         ChunkArrays& arrays) {
  if (layout.lists == layout.queries) return std::pair(list, list + 1);
  if (layout.lengths_as == Lengths::kNumbers) {
    if (!read_positions(layout, arrays.gaps.data(), arrays.sums.data())) return std::nullopt;
    return std::pair<std::size_t, std::size_t>(arrays.sums[list], arrays.sums[list + 1]);
  }
  const std::uint64_t* bits = arrays.starts.data();
  copy_bitmap(layout, arrays.starts.data());
  if (!has_starts(layout, bits)) return std::nullopt;
  return std::pair(position_in(bits, list), list + 1 < layout.lists ? position_in(bits, list + 1) : layout.queries);
}

HWY_INLINE std::uint32_t read_first(const ChunkLayout& layout, std::size_t list, ChunkArrays& arrays) {
  if (layout.firsts_are_changes) {
    read_firsts(layout, list + 1, arrays.firsts.data());
    return arrays.firsts[list];
  }
  const std::size_t group = list / kUnpackGroup * kUnpackGroup;
  read_some(layout.firsts, layout.at_firsts, {group, list + 1}, arrays.firsts.data());
  return first_base(layout) + arrays.firsts[list - group];
}

/// The place of a source, or the number of lists.
HWY_INLINE std::size_t find_list(const std::uint32_t* sources, std::size_t count, std::uint32_t source) {
  std::size_t first = 0;
  for (std::size_t left = count; left > 1;) {  // sources[first] <= source, or first is 0
    const std::size_t half = left / 2;
    first += sources[first + half] <= source ? half : 0;
    left -= half;
  }
  return sources[first] == source ? first : count;
}

/// The targets of one source in `targets`, and their number; SIZE_MAX when the chunk is damaged.
std::size_t decode_one(const ChunkLayout& layout, const ChunkStart& start, std::uint32_t source, ChunkArrays& arrays) {
  if (!read_sources(layout, start, arrays.gaps.data(), arrays.list_sources.data())) return SIZE_MAX;
  const std::size_t list = find_list(arrays.list_sources.data(), layout.lists, source);
  if (list == layout.lists) return 0;
  const auto range = list_range(layout, list, arrays);
  if (!range || (layout.has_dictionary && !read_dictionary(layout, start.bounds, arrays))) return SIZE_MAX;
  // Gaps are numbered without the starts before them.
  const std::size_t count = range->second - range->first;
  const std::size_t first_gap = range->first - list;
  const std::size_t group = first_gap / kUnpackGroup * kUnpackGroup;
  if (count > 1)
    read_some(layout.target_gaps, layout.at_target_gaps, {group, first_gap + count - 1}, arrays.gaps.data());
  const std::uint32_t first = read_first(layout, list, arrays);
  const std::uint64_t most = first + (count << (layout.target_gaps.width + layout.target_gaps.high_width));
  const std::uint64_t largest =
      add_gaps_below(arrays.gaps.data() + (first_gap - group), count - 1, first, most, arrays.targets.data());
  const bool is_sound =
      layout.has_dictionary ? look_up(layout, largest, count, arrays) : largest < start.bounds.targets;
  return is_sound ? count : SIZE_MAX;
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::packing::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::packing::detail {

HWY_EXPORT(decode_all);
HWY_EXPORT(decode_one);

bool decode_chunk(const ChunkLayout& layout, const ChunkStart& start, ChunkArrays& arrays) {
  return HWY_DYNAMIC_DISPATCH(decode_all)(layout, start, arrays);
}

std::optional<std::size_t> decode_list(const ChunkLayout& layout, const ChunkStart& start, std::uint32_t source,
                                       ChunkArrays& arrays) {
  const std::size_t count = HWY_DYNAMIC_DISPATCH(decode_one)(layout, start, source, arrays);
  return count == SIZE_MAX ? std::nullopt : std::optional(count);
}

}  // namespace tessera::packing::detail
#endif
