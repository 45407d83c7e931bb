// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/fennel.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::partition {

/// The vertices of one coarsening level.
struct Level {
  std::vector<std::uint32_t> coarse_of;  ///< [finer vertices] this level's vertex of each; empty for the finest level
  VertexWeights weights;                 ///< [vertices]
};

/// Merges vertices by size-constrained label propagation (Meyerhenke, Sanders and Schulz, SEA 2014): a vertex joins the
/// cluster of most of its neighbours unless that outgrows `limits`. Vertices choose batch by batch; those of a batch
/// are moved one after the other, so limits hold. The clusters depend on the graph, the limits and the seed alone.
/// O(vertices) memory.
Level cluster(Neighbours& graph, const VertexWeights& weights, LoadLimits limits, const StreamSettings& settings);

}  // namespace tessera::partition
