// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/split.hpp"
#include "graph/target_ids.hpp"
#include "graph/triple_weights.hpp"
#include "packing/query_chunk.hpp"
#include "storage/dataset_bytes.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::graph {

/// The columns of a QuerySet.
struct QueryChunkColumns {
  std::span<const std::uint32_t> relation_chunks;  ///< [2R + 1]: chunks of directed relation r are [r] .. [r + 1] - 1
  std::span<const std::uint32_t> first_sources;    ///< [chunks]: local row
  std::span<const std::uint32_t> first_queries;    ///< [chunks + 1]: queries before the chunk
  std::span<const std::uint32_t> offsets;          ///< [chunks + 1] into `bytes`
  std::span<const std::uint8_t> bytes;             ///< with kPadding readable bytes behind them; empty when `stored`
  const storage::DatasetBytes* stored = nullptr;   ///< the chunks in their file when they are not in memory

  WeightsView weights = {};  ///< of the queries, in their order
  double mean_weight = 0;    ///< of the whole graph; 0: queries have no weights

  [[nodiscard]] std::uint64_t chunk_bytes() const { return stored == nullptr ? bytes.size() : stored->size(); }
};

/// The queries of one part in one split: a view of packed chunks, ordered by (relation, source, target). Being ordered,
/// it is its own filter index: the known targets of (source, relation) are one range. A list of one (relation, source)
/// lies in one chunk; if it is longer than a chunk, it has chunks of its own.
class QuerySet {
 public:
  QuerySet() = default;
  /// `targets` outlives this.
  QuerySet(Split split, const QueryChunkColumns& columns, const TargetIds& targets, std::uint32_t rows);

  [[nodiscard]] std::uint64_t size() const {
    return columns_.first_queries.empty() ? 0 : columns_.first_queries.back();
  }
  [[nodiscard]] std::size_t chunk_count() const { return columns_.first_sources.size(); }
  [[nodiscard]] const QueryChunkColumns& columns() const { return columns_; }
  /// Bytes of the set in memory: all columns together, without chunks that stay in their file.
  [[nodiscard]] std::uint64_t bytes() const;

  [[nodiscard]] RelationId relation(std::size_t chunk) const;
  [[nodiscard]] std::uint64_t first_query(std::size_t chunk) const { return columns_.first_queries[chunk]; }
  [[nodiscard]] std::uint64_t chunk_queries(std::size_t chunk) const {
    return first_query(chunk + 1) - first_query(chunk);
  }
  /// Distinct sources of a chunk. O(1).
  [[nodiscard]] std::uint32_t list_count(std::size_t chunk) const;
  /// Whether the chunk goes on with the list that fills the chunk before.
  [[nodiscard]] bool continues(std::size_t chunk) const;
  /// Unpacks a chunk, from memory or from its file. Throws Error(kBadData) when it is damaged, Error(kIo).
  void read(std::size_t chunk, packing::ChunkReader& reader) const;
  /// Whether queries have weights that were loaded.
  [[nodiscard]] bool has_weights() const { return columns_.mean_weight > 0; }
  /// Weights of queries first .. first + out.size() - 1, divided by the mean of the graph.
  void read_weights(std::uint64_t first, std::span<float> out) const;
  /// Global id of a target of a chunk.
  [[nodiscard]] std::uint64_t entity(std::uint32_t target) const { return targets_->entity(target); }

  /// Global ids of many targets at once: out[k] = entity(targets[k]).
  void entities(std::span<const std::uint32_t> targets, std::uint64_t* out) const { targets_->entities(targets, out); }
  /// What targets are below.
  [[nodiscard]] std::uint64_t target_bound() const { return bounds_.targets; }

  /// Calls visit(relation, sources, targets) for every chunk: local rows and global ids side by side.
  template <class Visit>
  void for_each_chunk(const Visit& visit) const;

  /// Query i. It is fast when the calls of a thread ask for queries in order: each thread keeps the chunk that it asked
  /// for last.
  [[nodiscard]] Query query(std::uint64_t i) const;
  /// Sorted global ids of the targets known for (source, relation) in this split. They lie in memory of the calling
  /// thread, until its next call for this split of any part. Unpacks the sources of one chunk, and
  /// of the targets only those of the list: 0.5 to 1 us.
  [[nodiscard]] std::span<const std::uint64_t> known_targets(LocalRow source, RelationId relation) const;

 private:
  [[nodiscard]] std::span<const std::uint8_t> chunk_bytes(std::size_t chunk) const;
  [[noreturn]] void refuse(std::size_t chunk) const;

  std::uint64_t identity_ = 0;  // no other set of this process has it
  Split split_ = Split::kTrain;
  QueryChunkColumns columns_;
  const TargetIds* targets_ = nullptr;
  packing::ChunkBounds bounds_;
};

template <class Visit>
void QuerySet::for_each_chunk(const Visit& visit) const {
  packing::ChunkReader reader;
  std::vector<std::uint64_t> targets;
  for (std::size_t chunk = 0; chunk < chunk_count(); ++chunk) {
    read(chunk, reader);
    targets.resize(reader.targets().size());
    entities(reader.targets(), targets.data());
    visit(relation(chunk), reader.sources(), std::span<const std::uint64_t>(targets));
  }
}

}  // namespace tessera::graph
