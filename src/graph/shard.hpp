// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/part_file.hpp"
#include "graph/partition_manifest.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tessera::graph {

/// Which rank owns which parts: contiguous runs, at least one part each.
class Placement {
 public:
  /// Runs whose lengths differ by at most one, the longer ones first. Throws Error(kUsage) when there are more ranks
  /// than parts.
  Placement(std::uint32_t parts, std::int32_t ranks);
  /// Runs of these lengths; each is at least 1.
  explicit Placement(std::span<const std::uint32_t> parts_of_ranks);
  /// Runs for ranks of these speeds (any unit, above 0), such that the slowest of them is done with its parts as early
  /// as can be; the lower rank takes what could go to two. Throws as the first.
  static Placement by_speed(std::uint32_t parts, std::span<const double> speeds);

  [[nodiscard]] std::uint32_t part_count() const { return static_cast<std::uint32_t>(rank_of_.size()); }
  [[nodiscard]] std::int32_t rank_count() const { return static_cast<std::int32_t>(first_.size()) - 1; }
  [[nodiscard]] PartId first_part(Rank rank) const { return first_[static_cast<std::size_t>(rank.value())]; }
  [[nodiscard]] PartId end_part(Rank rank) const { return first_part(Rank(rank.value() + 1)); }
  [[nodiscard]] Rank rank_of(PartId part) const { return rank_of_[part.index()]; }
  [[nodiscard]] std::uint32_t part_count(Rank rank) const { return end_part(rank).value() - first_part(rank).value(); }

 private:
  std::vector<PartId> first_;  // by rank, and one behind the last
  std::vector<Rank> rank_of_;
};

/// The parts of a rank.
struct Shard {
  PartitionManifest manifest;  ///< without new_ids
  Placement placement;
  Rank rank;
  std::vector<Part> parts;  ///< parts of this rank, ascending

  /// Whether training queries have weights, which were loaded. The same on all ranks.
  [[nodiscard]] bool has_weights() const {
    return !parts.empty() && parts.front().queries(Split::kTrain).has_weights();
  }
  [[nodiscard]] Rank owner_rank(EntityId entity) const { return placement.rank_of(manifest.owner(entity)); }

  struct Place {
    std::size_t part;  ///< index among the parts of this rank
    LocalRow row;
  };
  /// Of an entity of this rank. O(log parts).
  [[nodiscard]] Place place(EntityId entity) const;
};

/// Loads the chunks that `rank` owns. Not collective: callers agree on success afterwards. Throws Error(kUsage) when
/// `placement` is of another number of parts.
Shard load_shard(const std::filesystem::path& partition_folder, Rank rank, const Placement& placement,
                 memory::Pool& pool, Loading loading = {});

/// The same by the bytes of the files.
QueryPlace choose_query_place(const std::string& setting, std::uint64_t file_bytes, std::uint64_t budget_bytes);

/// Where the queries of a rank should lie by `memory.queries` of a job: "memory", "stream", or "auto", which keeps them
/// in memory unless the files of its parts have more bytes than a quarter of `budget_bytes`.
QueryPlace choose_query_place(const std::string& setting, const std::filesystem::path& partition_folder, Rank rank,
                              const Placement& placement, std::uint64_t budget_bytes);

}  // namespace tessera::graph
