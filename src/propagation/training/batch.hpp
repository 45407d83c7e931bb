// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/propagation.hpp"
#include "memory/pool.hpp"
#include "propagation/message_graph.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::propagation {

/// A query with its answer, in global ids: an edge of the message graph.
struct TrainQuery {
  std::uint32_t source;
  std::uint32_t relation;  ///< directed
  std::uint32_t answer;
};

/// Which edges a batch does not see.
enum class Removal {
  kOwn,   ///< those of its queries, and their inverses
  kPair,  ///< all edges between source and answer of a query
};
/// "own", "pair".
Removal find_removal(const std::string& name);

/// The query that is edge number `edge` of the graph.
TrainQuery query_of_edge(const MessageGraph& graph, std::uint64_t edge);

/// The message graph without the edges of a batch.
class BatchGraph {
 public:
  /// As much memory as the graph (Tag::kBatch).
  BatchGraph(const MessageGraph& graph, memory::Pool& pool);
  static std::uint64_t bytes(const MessageGraph& graph);
  /// Takes time for all edges.
  void remove(std::span<const TrainQuery> queries, Removal removal);
  [[nodiscard]] kernels::EdgeLists edges() const;

 private:
  void copy_node(std::uint32_t node, std::span<const TrainQuery> removed, Removal removal);
  const MessageGraph& graph_;
  memory::Buffer<kernels::EdgeLists::Node> nodes_;
  memory::Buffer<kernels::EdgeGroup> groups_;
  memory::Buffer<std::uint32_t> sources_;
  std::uint64_t group_count_ = 0;
  std::uint64_t edge_count_ = 0;
  std::vector<TrainQuery> removed_;
};

/// Draws queries and negatives of steps. All of it by counters: no draw depends on another.
class Draw {
 public:
  Draw(const MessageGraph& graph, std::uint64_t seed, std::size_t batch_size);
  [[nodiscard]] std::uint64_t steps() const;
  /// The queries of a step: each of the epoch's permutation once.
  [[nodiscard]] std::vector<TrainQuery> queries(std::uint32_t epoch, std::uint64_t step) const;
  /// Entities that are no answers of the query in the graph, drawn with replacement; none if all are answers.
  /// `position` is that of the query in the epoch.
  void negatives(std::uint32_t epoch, std::uint64_t position, const TrainQuery& query, std::span<std::uint32_t> out,
                 std::size_t& count) const;

 private:
  const MessageGraph& graph_;
  std::uint64_t seed_;
  std::size_t batch_size_;
};

}  // namespace tessera::propagation
