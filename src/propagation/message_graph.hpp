// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/shard.hpp"
#include "kernels/propagation.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>

namespace tessera::propagation {

/// The edges over which messages go, by destination. In the pool (Tag::kQueries): 16 bytes per node, 8 per group of one
/// destination and relation, 4 per edge.
class MessageGraph {
 public:
  /// Visits edges (destination, relation, source); those of a destination by relation, then by source.
  using Visit = std::function<void(std::uint32_t destination, std::uint32_t relation, std::uint32_t source)>;
  using Edges = std::function<void(const Visit&)>;

  /// `edges` is called twice, and visits the same edges. Throws Error(kOverBudget).
  MessageGraph(std::uint64_t nodes, std::uint64_t relations, const Edges& edges, memory::Pool& pool);

  /// The training triples of all parts, in the global ids of the partition: a triple (h, r, t) gives h a message from t
  /// by r, and t one from h by r + R. Parts of other ranks are read from their files, one at a time. Not collective.
  /// Throws Error(kBadData) for a graph without training triples, or as Part::load does.
  static MessageGraph of_partition(const graph::Shard& shard, const std::filesystem::path& partition_folder,
                                   memory::Pool& pool);

  [[nodiscard]] kernels::EdgeLists edges() const { return {nodes_.span(), groups_.span(), sources_.span()}; }
  [[nodiscard]] std::uint64_t node_count() const { return nodes_.size() - 1; }
  [[nodiscard]] std::uint64_t relation_count() const { return relations_; }  ///< directed ones
  [[nodiscard]] std::uint64_t edge_count() const { return nodes_[node_count()].first_edge; }
  /// Edges that end in a node.
  [[nodiscard]] std::uint64_t degree(std::uint64_t node) const {
    return nodes_[node + 1].first_edge - nodes_[node].first_edge;
  }

 private:
  void count(const Edges& edges, memory::Pool& pool);
  void fill(const Edges& edges, memory::Pool& pool);
  void sort_groups();

  std::uint64_t relations_;
  memory::Buffer<kernels::EdgeLists::Node> nodes_;  // [nodes + 1]
  memory::Buffer<kernels::EdgeGroup> groups_;
  memory::Buffer<std::uint32_t> sources_;
};

/// The graph of relations: a node per directed relation, and an edge (a, kind, b) where an entity is an end of both. It
/// is the head of both (kind 0), the tail of both (1), the head of a and the tail of b (2), or the tail of a and the
/// head of b (3). Takes (2R)^2 bits of the pool while it is made. Throws Error(kOverBudget).
MessageGraph relation_graph(const MessageGraph& graph, memory::Pool& pool);

}  // namespace tessera::propagation
