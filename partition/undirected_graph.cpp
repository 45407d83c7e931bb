// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/undirected_graph.hpp"

#include <algorithm>

namespace tessera::partition {
namespace {

void append_row(UndirectedGraph& graph, std::span<std::uint32_t> neighbours) {
  std::sort(neighbours.begin(), neighbours.end());
  for (std::size_t i = 0; i < neighbours.size(); ++i) {
    if (i > 0 && neighbours[i] == neighbours[i - 1]) {
      ++graph.weights.back();
    } else {
      graph.neighbours.push_back(neighbours[i]);
      graph.weights.push_back(1);
    }
  }
  graph.offsets.push_back(graph.neighbours.size());
}

}  // namespace

UndirectedGraph build_undirected_graph(const graph::GraphReader& reader, const TrainingSummary& summary,
                                       std::uint64_t block_bytes) {
  UndirectedGraph graph;
  graph.queries = summary.vertex_degree;
  graph.offsets.reserve(graph.queries.size() + 1);
  graph.offsets.push_back(0);
  // Address space for the worst case; the system only backs what is written.
  graph.neighbours.reserve(2 * reader.triple_count(graph::Split::kTrain));
  graph.weights.reserve(2 * reader.triple_count(graph::Split::kTrain));
  const std::vector<std::uint64_t> most_neighbours(graph.queries.begin(), graph.queries.end());
  Adjacency adjacency(reader, summary.vertex, most_neighbours, {block_bytes});
  std::vector<std::uint32_t> sorted;
  adjacency.for_each_block([&](const Rows& rows) {
    for (std::uint32_t row = 0; row < rows.begins.size(); ++row) {
      const auto neighbours = rows.of(rows.first + row);
      sorted.assign(neighbours.begin(), neighbours.end());
      append_row(graph, sorted);
    }
  });
  return graph;
}

}  // namespace tessera::partition
