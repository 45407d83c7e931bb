// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/assignment.hpp"
#include "partition/neighbours.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
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

/// What all steps of the streaming method need.
struct StreamSettings {
  std::uint64_t seed = 1;
  std::size_t threads = 1;
};

/// A vertex that looks for a part: its weight, and the part that it has, or kNoPart.
struct Mover {
  double rows;
  double queries;
  std::uint32_t current;
};

/// The loads of the parts while vertices move. O(log P) per change.
class PartLoads {
 public:
  PartLoads(std::size_t parts, const VertexWeights& weights, LoadLimits limits);
  void add(std::uint32_t part, double rows, double queries);
  void move(const Mover& mover, std::uint32_t to);
  /// What a mover adds to the part that it is in or moves to, in queries: the price of the load without it, for its
  /// weight, and what exceeds the limits. `excess` becomes the latter; 0 if the mover fits.
  [[nodiscard]] double price(const Mover& mover, std::uint32_t part, double& excess) const {
    const bool is_here = part == mover.current;
    const double with =
        is_here ? excess_[part] : this->excess(rows_[part] + mover.rows, queries_[part] + mover.queries);
    excess = 0;
    if (with > 0) {
      const double without =
          is_here ? this->excess(rows_[part] - mover.rows, queries_[part] - mover.queries) : excess_[part];
      excess = (with - without) * query_limit_;
    }
    const double added = level(mover.rows, mover.queries);
    return excess + added * strength_ * (is_here ? std::sqrt(std::max(0.0, level_[part] - added)) : root_[part]);
  }
  [[nodiscard]] std::uint32_t lightest() const { return by_level_.begin()->second; }
  [[nodiscard]] std::size_t size() const { return level_.size(); }

 private:
  // Mean of rows and queries, each over its mean: 1 is an average part.
  [[nodiscard]] double level(double rows, double queries) const {
    return (rows * per_mean_row_ + queries * per_mean_query_) / 2;
  }
  // How far loads are above the limits, of rows and queries together.
  [[nodiscard]] double excess(double rows, double queries) const {
    return std::max(0.0, rows * per_row_limit_ - 1) + std::max(0.0, queries * per_query_limit_ - 1);
  }
  double per_mean_row_;
  double per_mean_query_;
  double strength_;  // of the load, in queries
  double query_limit_;
  double per_row_limit_;
  double per_query_limit_;
  std::vector<double> rows_;
  std::vector<double> queries_;
  std::vector<double> level_;
  std::vector<double> root_;    // of the level
  std::vector<double> excess_;  // above the limits
  std::set<std::pair<double, std::uint32_t>> by_level_;
};

/// Restreaming Fennel with weights by degree (Tsourakakis et al., WSDM 2014; Nishimura and Ugander, KDD 2013): each
/// vertex goes where most of its neighbours are, less what it adds to the load there, and less what it adds above the
/// limits. Vertices count links batch by batch; those that want to move then choose again one after the other, with the
/// loads as they are. Up to `passes` over all vertices, until hardly any moves. `part_of_vertex` may hold kNoPart at
/// first; the result depends on the graph and the loads alone.
void restream_parts(Neighbours& graph, const VertexWeights& weights, PartLoads loads, const StreamSettings& settings,
                    std::uint32_t passes, std::span<std::uint32_t> part_of_vertex);

}  // namespace tessera::partition
