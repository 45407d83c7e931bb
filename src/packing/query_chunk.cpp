// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/query_chunk.hpp"

#include "packing/detail/chunk_layout.hpp"

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
  std::uint64_t source = first_source;
  list_sources_[0] = first_source;
  for (std::size_t j = 1; j < layout.lists; ++j) {
    source += std::uint64_t{gaps_[j - 1]} + 1;
    list_sources_[j] = static_cast<std::uint32_t>(source);
  }
  return source < bound;
}

// The lengths of lists become the bits that mark their starts.
void ChunkReader::read_starts(const Layout& layout) {
  if (layout.lengths_as == detail::Lengths::kBitmap) {
    std::memcpy(starts_.data(), layout.at_lengths, bytes_of_bits(layout.queries));
    return;
  }
  starts_.fill(0);
  layout.lengths.read(layout.at_lengths, gaps_.data());
  std::uint64_t start = 0;
  for (std::size_t j = 0; j < layout.lists && start < layout.queries; ++j) {
    starts_[start / 64] |= std::uint64_t{1} << (start % 64);
    start += std::uint64_t{gaps_[j]} + 1;
  }
}

bool ChunkReader::read_dictionary(const Layout& layout, std::uint64_t bound) {
  layout.dictionary.read(layout.at_dictionary, dictionary_.data() + 1);
  std::uint64_t entry = layout.base;
  dictionary_[0] = layout.base;
  for (std::size_t k = 1; k < layout.entries; ++k) {
    entry += std::uint64_t{dictionary_[k]} + 1;
    dictionary_[k] = static_cast<std::uint32_t>(entry);
  }
  return entry < bound;
}

void ChunkReader::read_firsts(const Layout& layout) {
  layout.firsts.read(layout.at_firsts, firsts_.data());
  std::uint32_t first = layout.has_dictionary ? 0 : layout.base;
  for (std::size_t j = 0; j < layout.lists; ++j) {
    const std::uint32_t code = firsts_[j];
    if (layout.firsts_are_changes)
      first += (code & 1) != 0 ? ~(code >> 1) : code >> 1;
    else
      first = code + (layout.has_dictionary ? 0 : layout.base);
    firsts_[j] = first;
  }
}

// One query after the other, without branches: a start takes the next source and its first target, any other query the
// next gap. Returns the largest target, or more when a list does not ascend.
std::uint64_t ChunkReader::join(const Layout& layout) {
  layout.target_gaps.read(layout.at_target_gaps, gaps_.data());
  std::uint64_t largest = 0;
  std::uint64_t target = 0;
  std::size_t list = SIZE_MAX;  // of the query
  for (std::size_t i = 0; i < layout.queries; ++i) {
    const std::size_t is_start = starts_[i / 64] >> (i % 64) & 1;
    list += is_start;
    const std::uint64_t next = target + gaps_[i - list - (1 - is_start)] + 1;
    target = is_start != 0 ? firsts_[list] : next;
    sources_[i] = list_sources_[list];
    targets_[i] = static_cast<std::uint32_t>(target);
    largest = std::max(largest, target);
  }
  return largest;
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
    read_starts(*layout);
    if (!detail::has_ones(starts_, layout->queries, layout->lists)) return false;
    largest = join(*layout);
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
    read_starts(*layout);
    if (!detail::has_ones(starts_, layout->queries, layout->lists)) return false;
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
