// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/detail/chunk_layout.hpp"
#include "packing/query_chunk.hpp"

#include <algorithm>
#include <limits>

namespace tessera::packing {
namespace {

using detail::ChunkLayout;
using detail::Lengths;
using Numbers = std::vector<std::uint32_t>;

/// The columns of a chunk, as numbers.
struct Columns {
  Numbers source_gaps;
  Numbers lengths;
  Numbers firsts;
  Numbers target_gaps;
  Numbers dictionary;
};

/// The first target of each list as signed changes, even for those not below the one before; nothing when one does not
/// fit.
bool to_changes(const Numbers& firsts, std::uint32_t base, Numbers& changes) {
  changes.clear();
  std::int64_t previous = base;
  for (const std::int64_t first : firsts) {
    const std::int64_t change = first - previous;
    const std::int64_t code = change >= 0 ? 2 * change : -2 * change - 1;
    if (code > std::numeric_limits<std::uint32_t>::max()) return false;
    changes.push_back(static_cast<std::uint32_t>(code));
    previous = first;
  }
  return true;
}

std::size_t cost(const Patched& column) { return 8 * column.bytes() + column.header_bits(); }

/// Splits targets into first ones and gaps, and chooses how to pack them. Returns the bits that this takes.
std::size_t choose_targets(std::span<const std::uint32_t> sources, std::span<const std::uint32_t> targets,
                           std::uint32_t base, ChunkLayout& layout, Columns& columns) {
  Numbers firsts;
  columns.target_gaps.clear();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (i == 0 || sources[i] != sources[i - 1])
      firsts.push_back(targets[i]);
    else
      columns.target_gaps.push_back(targets[i] - targets[i - 1] - 1);
  }
  layout.target_gaps = Patched::choose(columns.target_gaps);
  const bool fits = to_changes(firsts, base, columns.firsts);
  if (fits) layout.firsts = Patched::choose(columns.firsts);
  for (std::uint32_t& first : firsts) first -= base;
  const Patched absolute = Patched::choose(firsts);
  layout.firsts_are_changes = fits && cost(layout.firsts) < cost(absolute);
  if (!layout.firsts_are_changes) {
    layout.firsts = absolute;
    columns.firsts = std::move(firsts);
  }
  return cost(layout.firsts) + cost(layout.target_gaps);
}

void choose_lists(std::span<const std::uint32_t> sources, ChunkLayout& layout, Columns& columns) {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (i > 0 && sources[i] == sources[i - 1]) {
      ++columns.lengths.back();
      continue;
    }
    if (i > 0) columns.source_gaps.push_back(sources[i] - sources[i - 1] - 1);
    columns.lengths.push_back(0);
  }
  layout.lists = columns.lengths.size();
  layout.source_gaps = Patched::choose(columns.source_gaps);
  if (layout.lists == layout.queries) return;
  const Patched lengths = Patched::choose(columns.lengths);
  layout.lengths_as = cost(lengths) < layout.queries ? Lengths::kNumbers : Lengths::kBitmap;
  if (layout.lengths_as == Lengths::kNumbers) layout.lengths = lengths;
}

/// Takes a dictionary of the distinct targets where targets as positions in it and the dictionary need fewer bits.
void choose_dictionary(std::span<const std::uint32_t> sources, std::span<const std::uint32_t> targets,
                       ChunkLayout& layout, Columns& columns) {
  const std::size_t plain_cost = choose_targets(sources, targets, layout.base, layout, columns);
  Numbers entries(targets.begin(), targets.end());
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  if (entries.size() == targets.size()) return;
  Numbers positions;
  for (const std::uint32_t target : targets)
    positions.push_back(
        static_cast<std::uint32_t>(std::lower_bound(entries.begin(), entries.end(), target) - entries.begin()));
  ChunkLayout with = layout;
  Columns coded = columns;
  for (std::size_t k = 1; k < entries.size(); ++k) coded.dictionary.push_back(entries[k] - entries[k - 1] - 1);
  with.has_dictionary = true;
  with.entries = entries.size();
  with.dictionary = Patched::choose(coded.dictionary);
  const std::size_t coded_cost = choose_targets(sources, positions, 0, with, coded) + cost(with.dictionary);
  if (coded_cost + detail::kCountBits >= plain_cost) return;
  layout = with;
  columns = std::move(coded);
}

void write_bitmap(std::span<const std::uint32_t> sources, BitWriter& writer) {
  for (std::size_t i = 0; i < sources.size(); ++i) writer.put(i == 0 || sources[i] != sources[i - 1] ? 1 : 0, 1);
  writer.align();
}

}  // namespace

void encode_chunk(std::span<const std::uint32_t> sources, std::span<const std::uint32_t> targets,
                  std::vector<std::uint8_t>& bytes) {
  ChunkLayout layout;
  Columns columns;
  layout.queries = sources.size();
  layout.base = *std::min_element(targets.begin(), targets.end());
  choose_lists(sources, layout, columns);
  choose_dictionary(sources, targets, layout, columns);
  BitWriter writer(bytes);
  detail::write_header(layout, writer);
  layout.source_gaps.write(columns.source_gaps, writer);
  if (layout.lengths_as == Lengths::kBitmap) write_bitmap(sources, writer);
  if (layout.lengths_as == Lengths::kNumbers) layout.lengths.write(columns.lengths, writer);
  layout.firsts.write(columns.firsts, writer);
  layout.target_gaps.write(columns.target_gaps, writer);
  layout.dictionary.write(columns.dictionary, writer);
}

}  // namespace tessera::packing
