// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/packed_queries.hpp"
#include "graph/partition_manifest.hpp"
#include "graph/query_set.hpp"
#include "graph/split.hpp"
#include "memory/pool.hpp"
#include "storage/hdf5.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tessera::graph {

/// One part as it is written to part-NNNN.h5.
struct PartContent {
  PartId part;
  std::array<QueryColumns, 3> queries;             ///< by Split
  std::vector<std::uint64_t> original_ids;         ///< [rows]: id in graph.h5 of each local row
  std::vector<std::uint32_t> train_degree;         ///< [rows]: training queries with this source
  std::function<void(storage::FileWriter&)> more;  ///< writes what else belongs in the file, if anything
};

inline constexpr const char* kPartKind = "part";
inline constexpr std::uint64_t kPartVersion = 3;                      ///< of parts whose training queries have weights
inline constexpr std::uint64_t kUnweightedPartVersion = 2;            ///< of all others; 1: queries were not packed
inline constexpr const char* kOriginalIds = "/entities/original_id";  ///< [rows]

/// "part-0003.h5".
std::string part_file_name(PartId part);

/// Packs the queries of one part and writes its chunk; the caller records and commits the checksums. Throws as
/// pack_queries().
void write_part(const std::filesystem::path& folder, const PartitionManifest& manifest, const PartContent& content);

/// Where the packed queries of a part lie once it is loaded. They are the same queries.
enum class QueryPlace {
  kMemory,
  kFile,  ///< the chunks of a part are read from its file whenever they are needed; their columns are in memory
};

/// What is loaded of a part, and where to.
struct Loading {
  Loading(QueryPlace queries = QueryPlace::kMemory, bool weights = true)  // NOLINT(google-explicit-constructor)
      : place(queries), with_weights(weights) {}
  QueryPlace place;
  bool with_weights;  ///< of training queries, where the graph has any
};

/// A part in memory: its packed queries and degrees, in the pool.
class Part {
 public:
  /// Reads and checks a chunk against the manifest; every query is unpacked once, every id is range-checked. A file of
  /// version 1 is packed while it is read. Throws Error(kBadData), Error(kMissingInput).
  static Part load(const std::filesystem::path& folder, const PartitionManifest& manifest, PartId part,
                   memory::Pool& pool, Loading loading = {});
  /// The memory that load() takes, over a pool to plan with: queries have chunks, and nothing in them. Reads lengths
  /// alone, but all of a file of version 1.
  static Part planned(const std::filesystem::path& folder, const PartitionManifest& manifest, PartId part,
                      memory::Pool& pool, Loading loading = {});
  /// A part that was made up: training queries alone, each in range; see to_columns(). With weights where `train` has a
  /// mean of them.
  static Part made(const PartitionManifest& manifest, PartId part, QueryColumns train, memory::Pool& pool);

  [[nodiscard]] PartId id() const { return id_; }
  [[nodiscard]] EntityId first_entity() const { return first_entity_; }
  [[nodiscard]] std::uint32_t rows() const { return rows_; }
  [[nodiscard]] const QuerySet& queries(Split split) const { return sets_.at(static_cast<std::size_t>(split)); }
  /// Bytes of the list of targets that live in other parts.
  [[nodiscard]] std::uint64_t elsewhere_bytes() const {
    return elsewhere_.low.size() + elsewhere_.high.span().size_bytes() + elsewhere_.samples.span().size_bytes();
  }
  [[nodiscard]] std::span<const std::uint32_t> train_degree() const { return train_degree_.span(); }

 private:
  /// What the views below are of.
  struct Columns {
    memory::Buffer<std::uint32_t> relation_chunks;
    memory::Buffer<std::uint32_t> first_sources;
    memory::Buffer<std::uint32_t> first_queries;
    memory::Buffer<std::uint32_t> offsets;
    memory::Buffer<std::uint8_t> bytes;  // and the padding; none when the chunks stay in their file
    std::unique_ptr<storage::DatasetBytes> stored;
  };
  struct Weights {
    memory::Buffer<float> values;
    unsigned width = 0;
    memory::Buffer<std::uint8_t> indices;  // likewise
    std::unique_ptr<storage::DatasetBytes> stored;
    double mean = 0;  // 0: none
    [[nodiscard]] WeightsView view() const;
  };
  struct Elsewhere {
    memory::Buffer<std::uint8_t> low;  // and the padding
    memory::Buffer<std::uint64_t> high;
    memory::Buffer<std::uint32_t> samples;
  };
  Part(const PartitionManifest& manifest, PartId part);
  void load_packed(const storage::FileReader& file, const PartitionManifest& manifest, memory::Pool& pool,
                   Loading loading);
  void load_columns(const storage::FileReader& file, Split split, memory::Pool& pool, Loading loading);
  void load_weights(const storage::FileReader& file, memory::Pool& pool, QueryPlace place);
  void pack_weights(const QueryColumns& train, memory::Pool& pool);
  void take_memory(const storage::FileReader& file, memory::Pool& pool, Loading loading);
  void pack(const std::array<QueryColumns, 3>& splits, memory::Pool& pool);
  void view_targets(std::uint64_t count, unsigned low_width, memory::Pool& pool);
  void view(Split split);
  void check(const storage::FileReader& file, const PartitionManifest& manifest) const;

  PartId id_;
  EntityId first_entity_;
  std::uint32_t rows_ = 0;
  std::array<Columns, 3> columns_;
  Weights weights_;  // of training queries
  Elsewhere elsewhere_;
  std::unique_ptr<TargetIds> targets_ = std::make_unique<TargetIds>();  // stays where it is when the part moves
  std::array<QuerySet, 3> sets_;
  memory::Buffer<std::uint32_t> train_degree_;
};

}  // namespace tessera::graph
