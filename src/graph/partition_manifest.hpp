// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tessera::graph {

/// Figures of a partition for people, per part.
struct PartFigures {
  std::uint64_t rows = 0;         ///< entities
  std::uint64_t queries = 0;      ///< training queries
  std::uint64_t cut_queries = 0;  ///< training queries whose target is in another part
  std::uint64_t halo_rows = 0;    ///< distinct targets in other parts
};

/// The facts about all parts. parts-P/manifest.h5 holds them; it is written last.
struct PartitionManifest {
  std::string method;        ///< "metis", "random", "stream"
  std::string graph_digest;  ///< digest of the graph.h5 of this partition
  std::string digest;        ///< digest of new_ids; another partition of the graph has another one
  std::uint64_t seed = 0;
  std::uint64_t entity_count = 0;
  std::uint64_t relation_count = 0;         ///< R; directed relations are 0 .. 2R-1
  std::vector<std::uint64_t> offsets;       ///< [P + 1]: part p owns entities offsets[p] .. offsets[p+1]-1
  std::vector<std::uint64_t> new_ids;       ///< [N]: id in graph.h5 -> global id here; may be left empty when loading
  std::vector<PartFigures> figures;         ///< [P]
  std::vector<PartFigures> random_figures;  ///< [P]: a random partition of the same graph, for comparison; may be empty

  [[nodiscard]] std::uint32_t part_count() const { return static_cast<std::uint32_t>(offsets.size() - 1); }
  [[nodiscard]] PartId owner(EntityId entity) const;
  /// Training queries of all parts; a triple is two.
  [[nodiscard]] std::uint64_t query_count() const;
  [[nodiscard]] std::uint64_t rows(PartId part) const { return offsets[part.index() + 1] - offsets[part.index()]; }
};

/// Fraction of training queries that are cut, 0 .. 1.
double cut_fraction(std::span<const PartFigures> figures);
/// Largest over mean of rows (or queries): 1 is perfect.
double row_balance(std::span<const PartFigures> figures);
double query_balance(std::span<const PartFigures> figures);

/// The folder of a partition inside a graph folder: DATA.kg/parts-8.
std::filesystem::path partition_folder(const std::filesystem::path& graph_folder, std::uint64_t parts);

inline constexpr const char* kManifestFile = "manifest.h5";
inline constexpr const char* kPartitionKind = "partition";
inline constexpr std::uint64_t kPartitionVersion = 1;
inline constexpr const char* kNewIds = "/new_ids";  ///< [N]

/// Writes manifest.h5 into `folder`; the caller records and commits the checksums.
void write_manifest(const std::filesystem::path& folder, const PartitionManifest& manifest);

/// Reads and checks; `with_ids` also loads new_ids (8 bytes per entity). Throws Error(kMissingInput) when the partition
/// is not there, Error(kBadData) when it is damaged.
PartitionManifest read_manifest(const std::filesystem::path& folder, bool with_ids);

}  // namespace tessera::graph
