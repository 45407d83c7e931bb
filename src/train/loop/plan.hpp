// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "graph/partition_manifest.hpp"
#include "graph/shard.hpp"
#include "memory/tag.hpp"
#include "sampling/query_items.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace tessera::train {

/// The rank that a plan is made for: a job on a partition. Its sizes suffice; no graph is read.
struct PlannedRank {
  const Job& job;  ///< exchange.mode and exchange.scores are decided
  const graph::PartitionManifest& manifest;
  const graph::Placement& placement;
  Rank rank;
  std::size_t threads;
  std::vector<sampling::ItemCount> items;  ///< count_items(); only for moving queries
};

/// Bytes by tag that the parameters and the engine of a rank take from the host's pool, to the byte. They are
/// constructed over a pool that only counts, so the plan is what the constructors do. The queries of the parts are not
/// in it (memory::Tag::kQueries has the groups of queries alone). Takes milliseconds, and hardly any memory.
std::array<std::uint64_t, memory::kTagCount> plan_training(const PlannedRank& planned);

}  // namespace tessera::train
