// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.hpp"
#include "partition/assignment.hpp"
#include "partition/training_graph.hpp"

#include <cstdint>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace tessera::partition {

/// The weight of each vertex. A vertex may stand for several entities.
struct VertexWeights {
  std::vector<std::uint32_t> rows;
  std::vector<std::uint64_t> queries;
};

/// A vertex that has no part yet.
inline constexpr std::uint32_t kNoPart = std::numeric_limits<std::uint32_t>::max();

/// The loads of the parts while vertices move. O(log P) per change.
class PartLoads {
 public:
  PartLoads(std::size_t parts, const VertexWeights& weights, LoadLimits limits);
  void add(std::uint32_t part, double rows, double queries);
  void remove(std::uint32_t part, double rows, double queries) { add(part, -rows, -queries); }
  /// Mean of rows and queries, each over its mean: 1 is an average part.
  [[nodiscard]] double level(std::uint32_t part) const { return level_[part]; }
  /// The excess over the limits that a vertex would add to the part, of rows and queries together, in queries. 0 if the
  /// vertex fits.
  [[nodiscard]] double excess_added(std::uint32_t part, double rows, double queries) const;
  [[nodiscard]] std::uint32_t lightest() const { return by_level_.begin()->second; }
  [[nodiscard]] std::size_t size() const { return level_.size(); }
  /// Weight of a vertex in queries: its own and its share of rows, half each.
  [[nodiscard]] double weight(double rows, double queries) const;

 private:
  double mean_rows_;
  double mean_queries_;
  LoadLimits limits_;
  std::vector<double> rows_;
  std::vector<double> queries_;
  std::vector<double> level_;
  std::set<std::pair<double, std::uint32_t>> by_level_;
};

/// Restreaming Fennel with weights by degree (Tsourakakis et al., WSDM 2014; Nishimura and Ugander, KDD 2013): each
/// vertex goes where most of its neighbours are, less what it adds to the load there, and less what it adds above the
/// limits.
class Fennel {
 public:
  Fennel(Adjacency& graph, const VertexWeights& weights, std::size_t parts, LoadLimits limits);
  /// Up to `passes` over all vertices, until hardly any moves. `part_of_vertex` may hold kNoPart at first.
  void run(std::uint64_t seed, std::uint32_t passes, std::span<std::uint32_t> part_of_vertex);

 private:
  std::uint32_t choose(std::uint32_t vertex, std::uint32_t current) const;
  void count_links(std::span<const std::uint32_t> neighbours, std::span<const std::uint32_t> part_of_vertex);
  Adjacency* graph_;
  const VertexWeights* weights_;
  PartLoads loads_;
  std::vector<std::uint32_t> links_;    // edges of the current vertex into each part
  std::vector<std::uint32_t> touched_;  // parts with links
};

}  // namespace tessera::partition
