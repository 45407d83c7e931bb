// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/part_file.hpp"
#include "graph/partition_manifest.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace tessera::graph {

/// Which rank owns which parts: contiguous runs whose lengths differ by at most one, the longer ones first.
class Placement {
 public:
  /// Throws Error(kUsage) when there are more ranks than parts.
  Placement(std::uint32_t parts, std::int32_t ranks);
  [[nodiscard]] std::uint32_t part_count() const { return parts_; }
  [[nodiscard]] std::int32_t rank_count() const { return ranks_; }
  [[nodiscard]] PartId first_part(Rank rank) const;
  [[nodiscard]] PartId end_part(Rank rank) const { return first_part(Rank(rank.value() + 1)); }
  [[nodiscard]] Rank rank_of(PartId part) const;

 private:
  std::uint32_t parts_;
  std::int32_t ranks_;
};

/// What a rank holds: the chunks of its parts.
struct Shard {
  PartitionManifest manifest;  ///< without new_ids
  Placement placement;
  Rank rank;
  std::vector<Part> parts;  ///< of this rank, ascending

  [[nodiscard]] Rank owner_rank(EntityId entity) const { return placement.rank_of(manifest.owner(entity)); }
};

/// Loads the chunks that `rank` of `ranks` owns. Not collective: callers agree on success afterwards.
Shard load_shard(const std::filesystem::path& partition_folder, Rank rank, std::int32_t ranks, memory::Pool& pool);

}  // namespace tessera::graph
