// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/query_chunk.hpp"

#include "packing/detail/chunk_layout.hpp"
#include "packing/detail/lists.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

namespace tessera::packing {

struct ChunkReader::Layout : detail::ChunkLayout {};

std::optional<ChunkReader::Counts> ChunkReader::counts(std::span<const std::uint8_t> bytes) {
  BitReader reader(bytes);
  Counts counts;
  counts.queries = static_cast<std::uint32_t>(reader.get(detail::kCountBits) + 1);
  counts.lists = static_cast<std::uint32_t>(reader.get(detail::kCountBits) + 1);
  if (!reader.is_sound() || counts.lists > counts.queries) return std::nullopt;
  return counts;
}

std::optional<ChunkReader::Layout> ChunkReader::read_layout(std::span<const std::uint8_t> bytes) {
  const auto layout = detail::read_layout(bytes);
  if (!layout) return std::nullopt;
  return Layout{*layout};
}

bool ChunkReader::read_sources(const Layout& layout, std::uint32_t first_source, std::uint64_t bound) {
  layout.source_gaps.read(layout.at_source_gaps, gaps_.data());
  return detail::add_gaps(gaps_.data(), layout.lists - 1, first_source, list_sources_.data()) < bound;
}

// The lengths of lists become the bits that mark their starts.
bool ChunkReader::read_starts(const Layout& layout) {
  if (layout.lengths_as == detail::Lengths::kBitmap) {
    std::memcpy(starts_.data(), layout.at_lengths, bytes_of_bits(layout.queries));
    if (layout.queries % 64 != 0) starts_[layout.queries / 64] &= (std::uint64_t{1} << (layout.queries % 64)) - 1;
    return detail::has_ones(starts_, layout.queries, layout.lists);
  }
  starts_.fill(0);
  layout.lengths.read(layout.at_lengths, gaps_.data());
  std::uint64_t start = 0;
  for (std::size_t j = 0; j < layout.lists && start < layout.queries; ++j) {
    starts_[start / 64] |= std::uint64_t{1} << (start % 64);
    start += std::uint64_t{gaps_[j]} + 1;
  }
  return detail::has_ones(starts_, layout.queries, layout.lists);
}

bool ChunkReader::read_dictionary(const Layout& layout, std::uint64_t bound) {
  layout.dictionary.read(layout.at_dictionary, gaps_.data());
  return detail::add_gaps(gaps_.data(), layout.entries - 1, layout.base, dictionary_.data()) < bound;
}

void ChunkReader::read_firsts(const Layout& layout) {
  layout.firsts.read(layout.at_firsts, firsts_.data());
  const std::uint32_t base = layout.has_dictionary ? 0 : layout.base;
  if (!layout.firsts_are_changes) {
    for (std::size_t j = 0; j < layout.lists; ++j) firsts_[j] += base;
    return;
  }
  std::uint32_t first = base;
  for (std::size_t j = 0; j < layout.lists; ++j) {
    first += firsts_[j] >> 1 ^ (0 - (firsts_[j] & 1));
    firsts_[j] = first;
  }
}

bool ChunkReader::look_up(const Layout& layout, std::uint64_t largest) {
  if (!layout.has_dictionary) return true;
  if (largest >= layout.entries) return false;
  for (std::size_t i = 0; i < count_; ++i) targets_[i] = dictionary_[targets_[i]];
  return true;
}

bool ChunkReader::read(std::span<const std::uint8_t> bytes, std::uint32_t first_source, const ChunkBounds& bounds) {
  count_ = 0;
  const auto layout = read_layout(bytes);
  if (!layout || !read_sources(*layout, first_source, bounds.sources)) return false;
  if (layout->has_dictionary && !read_dictionary(*layout, bounds.targets)) return false;
  read_firsts(*layout);
  std::uint64_t largest = 0;
  if (layout->lists == layout->queries) {
    std::copy_n(list_sources_.data(), layout->queries, sources_.data());
    std::copy_n(firsts_.data(), layout->queries, targets_.data());
    largest = *std::max_element(targets_.data(), targets_.data() + layout->queries);
  } else {
    if (!read_starts(*layout)) return false;
    layout->target_gaps.read(layout->at_target_gaps, gaps_.data());
    largest = detail::join_lists({starts_.data(), list_sources_.data(), firsts_.data(), gaps_.data()}, layout->queries,
                                 sources_.data(), targets_.data());
  }
  count_ = layout->queries;
  return look_up(*layout, largest) && (layout->has_dictionary || largest < bounds.targets);
}

bool ChunkReader::find(std::span<const std::uint8_t> bytes, std::uint32_t first_source, std::uint32_t source,
                       const ChunkBounds& bounds) {
  count_ = 0;
  const auto layout = read_layout(bytes);
  if (!layout || !read_sources(*layout, first_source, bounds.sources)) return false;
  const auto sources_end = list_sources_.data() + layout->lists;
  const auto found = std::lower_bound(list_sources_.data(), sources_end, source);
  if (found == sources_end || *found != source) return true;
  const auto list = static_cast<std::size_t>(found - list_sources_.data());
  if (layout->has_dictionary && !read_dictionary(*layout, bounds.targets)) return false;
  read_firsts(*layout);
  std::size_t start = list;
  std::size_t end = list + 1;
  if (layout->lists < layout->queries) {
    if (!read_starts(*layout)) return false;
    start = detail::position_of_one(starts_, list);
    end = list + 1 < layout->lists ? detail::position_of_one(starts_, list + 1) : layout->queries;
  }
  // Gaps are numbered without the starts before them.
  const std::size_t first_gap = start - list;
  const std::size_t aligned = first_gap / kUnpackGroup * kUnpackGroup;
  if (end - start > 1)
    layout->target_gaps.read_some(layout->at_target_gaps, aligned, first_gap + (end - start - 1), gaps_.data());
  std::uint64_t target = firsts_[list];
  targets_[0] = firsts_[list];
  for (std::size_t k = 1; k < end - start; ++k) {
    target += std::uint64_t{gaps_[first_gap - aligned + k - 1]} + 1;
    targets_[k] = static_cast<std::uint32_t>(target);
  }
  count_ = end - start;
  return look_up(*layout, target) && (layout->has_dictionary || target < bounds.targets);
}

}  // namespace tessera::packing
