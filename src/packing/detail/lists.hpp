// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::packing::detail {

/// All of these write whole groups of so many numbers, two behind the last, and may read as many.
inline constexpr std::size_t kListGroup = 8;

/// Sums from here on have overflowed.
inline constexpr std::uint64_t kBeyond = std::uint64_t{1} << 32U;

/// out[0] = first, out[i] = out[i - 1] + gaps[i - 1] + 1 for i <= count. Returns the last one, or 2^32 or more
/// when one overflows. `gaps` and `out` do not overlap.
std::uint64_t add_gaps(const std::uint32_t* gaps, std::size_t count, std::uint32_t first, std::uint32_t* out);

/// The lists of a chunk: list j has a source and a first target.
struct Lists {
  const std::uint64_t*
      starts;         ///< bit i: query i is the first of its list; bit 0 is set, none behind the last query is
  std::size_t count;  ///< lists
  const std::uint32_t* sources;
  const std::uint32_t* firsts;
  const std::uint32_t* gaps;  ///< less one, of all other queries
};

struct JoinedLists {
  std::uint32_t* sources;
  std::uint32_t* targets;
};

/// Source and target of each of `count` queries: a start has those of the next list, any other query the source of the
/// query before and its target + gap + 1. Returns the largest target, or 2^32 or more when one
/// overflows.
std::uint64_t join_lists(const Lists& lists, std::size_t count, const JoinedLists& out);

/// The definitions of both, one number at a time.
std::uint64_t add_gaps_reference(const std::uint32_t* gaps, std::size_t count, std::uint32_t first, std::uint32_t* out);
std::uint64_t join_lists_reference(const Lists& lists, std::size_t count, const JoinedLists& out);

}  // namespace tessera::packing::detail
