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

namespace detail {
/// What a chunk is unpacked into. Kernels write whole groups, up to two behind the last number.
struct ChunkArrays {
  template <class T>
  using Array = std::array<T, kChunkQueries + 2 * kUnpackGroup>;

  Array<std::uint32_t> sources{};
  Array<std::uint32_t> targets{};
  Array<std::uint32_t> list_sources{};
  Array<std::uint32_t> firsts{};
  Array<std::uint32_t> gaps{};
  Array<std::uint32_t> sums{};
  Array<std::uint32_t> dictionary{};
  std::array<std::uint64_t, kChunkQueries / 64 + 1> starts{};  // bit i: query i is the first of its list
  std::array<std::uint8_t, kChunkQueries> marks{};             // the same as bytes
};
}  // namespace detail

/// Unpacks chunks, wherever they come from: a chunk that is damaged in any way is found out, and never leads out of the
/// arrays. `bytes` are those of one chunk, with kPadding readable bytes behind them. Keeps 30 kB of scratch.
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
  [[nodiscard]] std::span<const std::uint32_t> sources() const { return {arrays_.sources.data(), count_}; }
  [[nodiscard]] std::span<const std::uint32_t> targets() const { return {arrays_.targets.data(), count_}; }

  /// Unpacks the targets of one source only: targets() has them, none when the source has no query; sources() has no
  /// meaning. False when the chunk is damaged.
  bool find(std::span<const std::uint8_t> bytes, std::uint32_t first_source, std::uint32_t source,
            const ChunkBounds& bounds);

 private:
  std::size_t count_ = 0;
  detail::ChunkArrays arrays_;
};

}  // namespace tessera::packing
