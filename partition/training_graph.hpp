// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.hpp"
#include "graph/graph_reader.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace tessera::partition {

/// An entity without neighbours in training: no vertex of the graph that is partitioned.
inline constexpr std::uint32_t kLoose = std::numeric_limits<std::uint32_t>::max();

/// The result of one scan of the training triples; 8 bytes per entity.
struct TrainingSummary {
  std::vector<std::uint32_t> degree;            ///< [N] training queries with this source; a loop counts twice
  std::vector<std::uint32_t> vertex;            ///< [N] entity -> vertex, ascending; or kLoose
  std::vector<std::uint32_t> vertex_degree;     ///< [vertices] degree of each vertex
  std::vector<std::uint64_t> relation_offsets;  ///< [R + 1] the training triples of relation r are rows offsets[r] ..

  [[nodiscard]] std::uint32_t vertex_count() const { return static_cast<std::uint32_t>(vertex_degree.size()); }
};

/// Throws Error(kBadData) when the triples are not in order.
TrainingSummary summarise_training(const graph::GraphReader& reader);

/// Calls `consume` with each triple of a split, under a progress line.
void scan_triples(const graph::GraphReader& reader, graph::Split split, const std::string& title,
                  const std::function<void(const Triple&)>& consume);

/// The undirected training graph by vertex, in blocks of bounded memory: each block costs one scan of the triples; if
/// all fits one block, it is read once and kept. Entities may be merged into coarser vertices; loops are dropped.
class Adjacency {
 public:
  /// `vertex_of` [N] maps entities to vertices or kLoose and must outlive this; `most_neighbours` [vertices] bounds
  /// them.
  Adjacency(const graph::GraphReader& reader, std::span<const std::uint32_t> vertex_of,
            std::span<const std::uint64_t> most_neighbours, std::uint64_t block_bytes);

  /// A vertex and its neighbours, repeated for parallel edges.
  using Visit = std::function<void(std::uint32_t vertex, std::span<std::uint32_t> neighbours)>;
  /// Visits all vertices, ascending.
  void for_each(const Visit& visit);
  /// Visits all vertices, block by block, shuffled inside each.
  void for_each_shuffled(const RandomStream& order, const Visit& visit);
  [[nodiscard]] std::size_t block_count() const { return block_starts_.size() - 1; }

 private:
  void load(std::size_t block);
  [[nodiscard]] std::span<std::uint32_t> neighbours(std::uint64_t slot);
  const graph::GraphReader* reader_;
  std::span<const std::uint32_t> vertex_of_;
  std::span<const std::uint64_t> most_neighbours_;
  std::vector<std::uint32_t> block_starts_;  // first vertex of each block, and the end
  std::size_t loaded_;                       // block in memory; block_count(): none
  std::vector<std::uint64_t> starts_;        // per vertex of the block, into neighbours_
  std::vector<std::uint64_t> ends_;
  std::vector<std::uint32_t> neighbours_;
};

}  // namespace tessera::partition
