// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/training_graph.hpp"

#include <cstdint>
#include <vector>

namespace tessera::partition {

/// The training graph as METIS needs it: symmetric compressed rows, no loops, parallel edges merged into weights.
struct UndirectedGraph {
  std::vector<std::uint64_t> offsets;     ///< [vertices + 1]
  std::vector<std::uint32_t> neighbours;  ///< ascending in each row
  std::vector<std::uint32_t> weights;     ///< triples between the two
  std::vector<std::uint32_t> queries;     ///< [vertices] training queries with this source

  [[nodiscard]] std::uint32_t vertex_count() const { return static_cast<std::uint32_t>(queries.size()); }
};

/// Bytes of such a graph.
constexpr std::uint64_t undirected_graph_bytes(std::uint64_t vertices, std::uint64_t undirected_edges) {
  return 12 * vertices + 16 * undirected_edges;
}

/// 8 bytes per directed edge, and one block of `block_bytes` while building.
UndirectedGraph build_undirected_graph(const graph::GraphReader& reader, const TrainingSummary& summary,
                                       std::uint64_t block_bytes);

}  // namespace tessera::partition
