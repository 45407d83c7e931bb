// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "graph/partition_manifest.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"
#include "sampling/query_items.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tessera::plan {

/// What a person knows about a graph that is not there yet.
struct Counts {
  std::uint64_t entities = 0;
  std::uint64_t relations = 0;
  std::uint64_t triples = 0;  ///< for training
};

/// The sizes that plans are made from. They are those of the files of a partition, or estimates: parts of equal size,
/// and kQueryBytes for each query.
struct GraphSizes {
  static constexpr std::uint64_t kQueryBytes = 3;   ///< WN18RR has 1.7 in 8 parts of METIS, a random graph 3.6
  static constexpr double kIndexBytes = 0.5;        ///< of it stays in memory where queries are streamed
  static constexpr double kWeightBytes = 4;         ///< of its weight, which takes less where few are distinct
  static constexpr std::uint64_t kDegreeBytes = 4;  ///< of each row

  graph::PartitionManifest manifest;
  std::filesystem::path folder;  ///< of the partition; empty: sizes are estimates
  std::string source;            ///< for people
  bool has_validation = true;    ///< whether there are triples to validate with
  double weight_bytes = 0;       ///< of estimates: of the weight of a query; 0: queries have no weights

  [[nodiscard]] bool is_estimate() const { return folder.empty(); }
  /// Bytes of the part files of a rank.
  [[nodiscard]] std::uint64_t file_bytes(Rank rank, const graph::Placement& placement) const;
  /// The parts of a rank, with the memory of their queries in a pool to plan with.
  [[nodiscard]] graph::Shard shard(Rank rank, const graph::Placement& placement, memory::Pool& pool,
                                   graph::Loading loading) const;
};

/// The partition of the job where it is there, else its graph, else `counts`; `counts` that are given come first.
/// Throws Error: kMissingInput when nothing is known, kBadData.
GraphSizes find_sizes(const Job& job, const std::optional<Counts>& counts);
/// Sizes of a partition that is there.
GraphSizes sizes_of_partition(const std::filesystem::path& folder);

/// The items of an epoch by part (sampling::count_items): counted in the files where they are there, which unpacks
/// every training query of a job with train.group_queries, else at most as many as queries.
std::vector<sampling::ItemCount> find_items(const Job& job, const GraphSizes& sizes);

}  // namespace tessera::plan
