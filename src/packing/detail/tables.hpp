// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "packing/detail/lists.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tessera::packing::detail {

/// Four numbers of one width lie in 16 bytes if they and the bits before them do.
inline constexpr unsigned kShuffledWidth = 25;

/// How eight numbers of one width are taken out of two loads of 16 bytes: bytes of each lane, then shifts.
struct Shuffle {
  std::array<std::array<std::uint8_t, 16>, 2> bytes;
  std::array<std::array<std::uint32_t, 4>, 2> shifts;
};

constexpr Shuffle make_shuffle(unsigned width) {
  Shuffle shuffle{};
  for (unsigned half = 0; half < 2; ++half) {
    const unsigned start = half * 4 * width / 8 * 8;  // bit at which the load begins
    for (unsigned lane = 0; lane < 4; ++lane) {
      const unsigned bit = (half * 4 + lane) * width - start;
      shuffle.shifts[half][lane] = bit % 8;
      for (unsigned k = 0; k < 4; ++k)
        shuffle.bytes[half][4 * lane + k] = static_cast<std::uint8_t>(bit / 8 + k < 16 ? bit / 8 + k : 15);
    }
  }
  return shuffle;
}

inline constexpr auto kShuffles = [] {
  std::array<Shuffle, kShuffledWidth + 1> shuffles{};
  for (unsigned width = 0; width <= kShuffledWidth; ++width) shuffles[width] = make_shuffle(width);
  return shuffles;
}();

/// What eight queries take, by the bits that say which of them are starts.
struct StartTable {
  using Lanes = std::array<std::array<std::uint8_t, kListGroup>, 256>;
  Lanes list;   ///< which list, counted from that of the first query
  Lanes start;  ///< lane of the start of the list; 0 when it is in an earlier group
};

inline constexpr StartTable kStartTable = [] {
  StartTable table{};
  for (unsigned bits = 0; bits < 256; ++bits)
    for (unsigned lane = 0; lane < kListGroup; ++lane) {
      const unsigned until = bits & ((2U << lane) - 1);
      const auto starts = static_cast<unsigned>(std::popcount(until));
      table.list[bits][lane] = static_cast<std::uint8_t>(starts - (bits & 1U));
      table.start[bits][lane] = static_cast<std::uint8_t>(until == 0 ? 0 : std::bit_width(until) - 1);
    }
  return table;
}();

}  // namespace tessera::packing::detail
