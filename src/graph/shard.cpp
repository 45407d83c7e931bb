// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/shard.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <utility>

namespace tessera::graph {

Placement::Placement(std::uint32_t parts, std::int32_t ranks) : parts_(parts), ranks_(ranks) {
  if (ranks < 1 || static_cast<std::uint32_t>(ranks) > parts)
    fail(ExitStatus::kUsage,
         "{} ranks cannot share {} parts: every rank needs one; start at most {} ranks, or partition into more parts",
         ranks, parts, parts);
}

PartId Placement::first_part(Rank rank) const {
  const auto r = static_cast<std::uint32_t>(rank.value());
  const auto ranks = static_cast<std::uint32_t>(ranks_);
  return PartId(r * (parts_ / ranks) + std::min(r, parts_ % ranks));
}

Rank Placement::rank_of(PartId part) const {
  const auto ranks = static_cast<std::uint32_t>(ranks_);
  const std::uint32_t shorter = parts_ / ranks;
  const std::uint32_t longer_parts = (parts_ % ranks) * (shorter + 1);
  const std::uint32_t rank = part.value() < longer_parts ? part.value() / (shorter + 1)
                                                         : parts_ % ranks + (part.value() - longer_parts) / shorter;
  return Rank(static_cast<std::int32_t>(rank));
}

Shard load_shard(const std::filesystem::path& partition_folder, Rank rank, std::int32_t ranks, memory::Pool& pool) {
  PartitionManifest manifest = read_manifest(partition_folder, false);
  const Placement placement(manifest.part_count(), ranks);
  Shard shard{std::move(manifest), placement, rank, {}};
  for (PartId part = placement.first_part(rank); part < placement.end_part(rank); ++part)
    shard.parts.push_back(Part::load(partition_folder, shard.manifest, part, pool));
  return shard;
}

}  // namespace tessera::graph
