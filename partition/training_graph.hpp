// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/graph_reader.hpp"
#include "partition/neighbours.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <utility>
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

/// Calls `consume` with each triple of a split, under a progress line; without one when the title is empty.
/// `prefetch` is told each triple some time before, to hide cache misses; it may be null.
void scan_triples(const graph::GraphReader& reader, graph::Split split, const std::string& title,
                  const std::function<void(const Triple&)>& consume,
                  const std::function<void(const Triple&)>& prefetch = nullptr);

/// What an Adjacency is read with.
struct AdjacencySettings {
  std::uint64_t block_bytes;
  std::uint32_t segment = 1;  ///< a block holds whole segments of so many vertices, at least one
  std::size_t threads = 1;
};

/// The undirected training graph by vertex, in blocks of bounded memory: each block costs one scan of the triples; if
/// all fits one block, it is read once and kept. Entities may be merged into coarser vertices; loops are dropped, and
/// neighbours are repeated for parallel edges.
class Adjacency final : public Neighbours {
 public:
  /// `vertex_of` [N] maps entities to vertices or kLoose and must outlive this, as `most_neighbours` [vertices], which
  /// bounds them.
  Adjacency(const graph::GraphReader& reader, std::span<const std::uint32_t> vertex_of,
            std::span<const std::uint64_t> most_neighbours, const AdjacencySettings& settings);

  void for_each_block(const std::function<void(const Rows&)>& visit) override;
  [[nodiscard]] std::size_t block_count() const { return block_starts_.size() - 1; }

 private:
  // Triples that are added together, by vertex.
  using Edges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
  void load(std::size_t block);
  void reserve(std::size_t block);
  void add(const Edges& edges);
  void add_share(const Edges& edges, std::uint32_t first, std::uint32_t count);
  const graph::GraphReader* reader_;
  std::span<const std::uint32_t> vertex_of_;
  std::span<const std::uint64_t> most_neighbours_;
  std::size_t threads_;
  std::vector<std::uint32_t> block_starts_;  // first vertex of each block, and the end
  std::size_t loaded_;                       // block in memory; block_count(): none
  std::uint32_t first_ = 0;                  // vertex of the block
  std::vector<std::uint64_t> starts_;        // per vertex of the block, into neighbours_
  std::vector<std::uint64_t> ends_;
  std::vector<std::uint32_t> neighbours_;
};

}  // namespace tessera::partition
