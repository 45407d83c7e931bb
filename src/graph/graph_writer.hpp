// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/packed_triples.hpp"
#include "graph/split.hpp"
#include "storage/atomic.hpp"
#include "storage/hdf5.hpp"
#include "storage/string_blocks.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace tessera::graph {

inline constexpr const char* kGraphKind = "graph";
inline constexpr std::uint64_t kGraphVersion = 3;            ///< of graphs whose training triples have weights
inline constexpr std::uint64_t kUnweightedGraphVersion = 2;  ///< of all others; 1: triples were not packed
inline constexpr const char* kGraphFile = "graph.h5";
inline constexpr std::uint64_t kMostRelations = std::uint64_t{1} << 30U;  ///< 2R directed relations have 32-bit ids

/// A file that the graph was imported from.
struct SourceFile {
  std::string path;
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  std::string xxh3_128;
};

/// Writes the folder DATA.kg; it appears whole at commit() or not at all. Splits are streamed, never held.
/// Order of calls: names, begin_split/append per split in order, attributes, sources, commit.
class GraphWriter {
 public:
  /// Throws Error(kUsage) when the folder exists. The threads change no bit.
  explicit GraphWriter(const std::filesystem::path& folder, std::size_t threads = 1, bool has_weights = false);

  /// Where the graph will be: a link is followed. Absolute.
  [[nodiscard]] std::filesystem::path folder() const { return std::filesystem::absolute(folder_.final_path()); }
  /// Throws Error(kUsage) for more than 2^32 entities.
  void names(const storage::PackedStrings& entities, const storage::PackedStrings& relations);
  /// Announces `count` triples of one split; they follow in append(), sorted by (relation, head, tail), distinct.
  void begin_split(Split split, std::uint64_t count);
  /// With `weights` for training triples alone, and where the graph has weights: finite, not negative, not all 0.
  void append(std::span<const Triple> triples, std::span<const float> weights = {});
  /// Where the caller writes the group /attributes, which has so many columns.
  storage::FileWriter& attributes(std::uint64_t columns) {
    attribute_count_ = columns;
    return file_;
  }
  void source(const SourceFile& source);
  /// A count for people: "duplicates", "bad_lines", ...
  void count(const std::string& name, std::uint64_t value);
  void commit();

 private:
  void finish_split();
  std::size_t threads_;
  storage::AtomicFolder folder_;
  storage::FileWriter file_;
  std::optional<PackedTriplesWriter> split_;
  std::uint64_t announced_ = 0;
  std::uint64_t attribute_count_ = 0;
  std::uint64_t source_count_ = 0;
};

}  // namespace tessera::graph
