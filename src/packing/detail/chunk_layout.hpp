// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "packing/patched.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tessera::packing::detail {

inline constexpr unsigned kCountBits = 10;  ///< of a number 1 .. 1,024, less one

/// How a chunk says how long its lists are.
enum class Lengths : std::uint8_t {
  kOnes,     ///< every list has one query
  kBitmap,   ///< one bit per query: whether it is the first of its list
  kNumbers,  ///< a patched column of lengths less one
};

/// The header of a chunk, and where its columns begin.
struct ChunkLayout {
  std::size_t queries = 0;
  std::size_t lists = 0;
  Lengths lengths_as = Lengths::kOnes;
  bool firsts_are_changes = false;  ///< the first targets are stored as signed changes (zigzag), else above `base`
  bool has_dictionary = false;      ///< targets are positions in the dictionary
  std::size_t entries = 0;          ///< of the dictionary
  std::uint32_t base = 0;           ///< least target
  Patched source_gaps;              ///< less one [lists - 1]
  Patched lengths;                  ///< less one [lists]
  Patched firsts;                   ///< first target of each list [lists]
  Patched target_gaps;              ///< less one, of all other queries [queries - lists]
  Patched dictionary;               ///< gaps less one [entries - 1]
  const std::uint8_t* at_source_gaps = nullptr;
  const std::uint8_t* at_lengths = nullptr;
  const std::uint8_t* at_firsts = nullptr;
  const std::uint8_t* at_target_gaps = nullptr;
  const std::uint8_t* at_dictionary = nullptr;
};

/// False when the header cannot be right or the columns are not exactly the rest of the bytes, which have kPadding
/// readable ones behind them.
bool read_layout(std::span<const std::uint8_t> bytes, ChunkLayout& layout);
/// Appends the header; begins at a whole byte and ends at one.
void write_header(const ChunkLayout& layout, BitWriter& writer);

}  // namespace tessera::packing::detail
