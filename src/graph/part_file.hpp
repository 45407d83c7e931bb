// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/partition_manifest.hpp"
#include "graph/query_set.hpp"
#include "graph/split.hpp"
#include "memory/pool.hpp"
#include "storage/hdf5.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tessera::graph {

/// Queries of one split as they are written.
struct QueryColumns {
  std::vector<std::uint64_t> relation_offsets;  ///< [2R + 1]
  std::vector<std::uint32_t> sources;           ///< local rows
  std::vector<std::uint64_t> targets;           ///< global ids
};

/// Sorts by (relation, source, target) and lays out as columns. Queries are distinct.
QueryColumns to_columns(std::vector<Query> queries, std::uint64_t directed_relations);

/// One part as it is written to part-NNNN.h5.
struct PartContent {
  PartId part;
  std::array<QueryColumns, 3> queries;             ///< by Split
  std::vector<std::uint64_t> original_ids;         ///< [rows]: id in graph.h5 of each local row
  std::vector<std::uint32_t> train_degree;         ///< [rows]: training queries with this source
  std::vector<std::uint64_t> halo_offsets;         ///< [P + 1] into halo_entities, by owner
  std::vector<std::uint64_t> halo_entities;        ///< distinct training targets in other parts, ascending
  std::function<void(storage::FileWriter&)> more;  ///< writes what else belongs in the file, if anything
};

inline constexpr const char* kPartKind = "part";
inline constexpr std::uint64_t kPartVersion = 1;
inline constexpr const char* kOriginalIds = "/entities/original_id";  ///< [rows]

/// "part-0003.h5".
std::string part_file_name(PartId part);

/// Writes the chunk of one part; the caller records and commits the checksums.
void write_part(const std::filesystem::path& folder, const PartitionManifest& manifest, const PartContent& content);

/// A part in memory: its queries in the pool, the rest in small vectors.
class Part {
 public:
  /// Reads and checks a chunk against the manifest; every id is range-checked. Throws Error(kBadData),
  /// Error(kMissingInput).
  static Part load(const std::filesystem::path& folder, const PartitionManifest& manifest, PartId part,
                   memory::Pool& pool);
  /// A part that was drawn, for a benchmark: training queries alone, each of them in range, by relation.
  static Part made(const PartitionManifest& manifest, PartId part, const QueryColumns& train, memory::Pool& pool);

  [[nodiscard]] PartId id() const { return id_; }
  [[nodiscard]] EntityId first_entity() const { return first_entity_; }
  [[nodiscard]] std::uint32_t rows() const { return rows_; }
  [[nodiscard]] const QuerySet& queries(Split split) const { return sets_.at(static_cast<std::size_t>(split)); }
  [[nodiscard]] std::span<const std::uint32_t> train_degree() const { return train_degree_.span(); }

 private:
  struct Columns {
    memory::Buffer<std::uint64_t> relation_offsets;
    memory::Buffer<std::uint32_t> sources;
    memory::Buffer<std::uint64_t> targets;
  };
  PartId id_;
  EntityId first_entity_;
  std::uint32_t rows_ = 0;
  std::array<Columns, 3> columns_;
  std::array<QuerySet, 3> sets_;
  memory::Buffer<std::uint32_t> train_degree_;
};

}  // namespace tessera::graph
