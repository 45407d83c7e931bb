// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/partition.hpp"
#include "partition/training_graph.hpp"

#include <cstdint>
#include <vector>

namespace tessera::partition {

/// Bytes that the streaming method needs beside its blocks of edges, of which it holds kStreamBlocks at a time.
constexpr std::uint64_t stream_bytes(std::uint64_t entities) { return 90 * entities; }
inline constexpr std::uint64_t kStreamBlocks = 3;

/// [vertices] a part for each vertex, by our own multilevel streaming partitioner: cluster, place the clusters, and
/// restream while they are taken apart again. The graph and the options give the parts; threads and the size of blocks
/// change nothing. O(entities) memory and some blocks of edges.
std::vector<std::uint32_t> stream_partition(const graph::GraphReader& reader, const TrainingSummary& summary,
                                            const PartitionOptions& options);

/// Improves the parts of vertices and moves them towards the limits of balance.
void restream(const graph::GraphReader& reader, const TrainingSummary& summary, const PartitionOptions& options,
              std::vector<std::uint32_t>& part_of_vertex);

}  // namespace tessera::partition
