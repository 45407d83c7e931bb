// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "packing/bits.hpp"
#include "packing/patched.hpp"
#include "packing/unpack.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tessera::packing {

/// Most queries of one chunk.
inline constexpr std::size_t kChunkQueries = 1024;

/// Appends a chunk: up to 1,024 queries of one directed relation, strictly ascending by (source, target). The first
/// source is not in it; its reader is told. Layout: docs/formats/packed_queries.md. O(n log n) for n queries.
void encode_chunk(std::span<const std::uint32_t> sources, std::span<const std::uint32_t> targets,
                  std::vector<std::uint8_t>& bytes);

/// What the ids of a chunk are below.
struct ChunkBounds {
  std::uint64_t sources = 0;
  std::uint64_t targets = 0;
};

/// Unpacks chunks, wherever they come from: a chunk that is damaged in any way is found out, and never leads out of the
/// arrays. `bytes` are those of one chunk, with kPadding readable bytes behind them. Keeps 25 kB of scratch.
class ChunkReader {
 public:
  /// Queries and lists (distinct sources) of a chunk, from its first bytes. O(1). Nothing when there are too few bytes.
  struct Counts {
    std::uint32_t queries = 0;
    std::uint32_t lists = 0;
  };
  static std::optional<Counts> counts(std::span<const std::uint8_t> bytes);

  /// Unpacks all. False when the chunk is damaged.
  bool read(std::span<const std::uint8_t> bytes, std::uint32_t first_source, const ChunkBounds& bounds);
  [[nodiscard]] std::span<const std::uint32_t> sources() const { return {sources_.data(), count_}; }
  [[nodiscard]] std::span<const std::uint32_t> targets() const { return {targets_.data(), count_}; }

  /// Unpacks the targets of one source only: targets() has them, none when the source has no query; sources() has no
  /// meaning. False when the chunk is damaged.
  bool find(std::span<const std::uint8_t> bytes, std::uint32_t first_source, std::uint32_t source,
            const ChunkBounds& bounds);

 private:
  template <class T>
  using Array = std::array<T, kChunkQueries + 2 * kUnpackGroup>;

  struct Layout;
  static std::optional<Layout> read_layout(std::span<const std::uint8_t> bytes);
  bool read_sources(const Layout& layout, std::uint32_t first_source, std::uint64_t bound);
  bool read_starts(const Layout& layout);
  bool read_dictionary(const Layout& layout, std::uint64_t bound);
  void read_firsts(const Layout& layout);
  bool look_up(const Layout& layout, std::uint64_t largest);

  std::size_t count_ = 0;
  Array<std::uint32_t> sources_{};
  Array<std::uint32_t> targets_{};
  Array<std::uint32_t> list_sources_{};
  Array<std::uint32_t> firsts_{};
  Array<std::uint32_t> gaps_{};
  Array<std::uint32_t> dictionary_{};
  std::array<std::uint64_t, kChunkQueries / 64 + 1> starts_{};  // bit i: query i is the first of its list
};

}  // namespace tessera::packing
