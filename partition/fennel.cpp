// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/fennel.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tessera::partition {
namespace {

// Fennel's alpha * gamma for gamma = 3/2, when loads are in means of a part and weights in queries.
constexpr double kStrength = 0.75;
// A pass that moves fewer vertices than one in this many is the last one.
constexpr std::uint64_t kStillMoving = 1000;

template <class T>
double mean(const std::vector<T>& values, std::size_t parts) {
  return static_cast<double>(std::accumulate(values.begin(), values.end(), std::uint64_t{0})) /
         static_cast<double>(parts);
}

}  // namespace

PartLoads::PartLoads(std::size_t parts, const VertexWeights& weights, LoadLimits limits)
    : mean_rows_(mean(weights.rows, parts)),
      mean_queries_(mean(weights.queries, parts)),
      limits_(limits),
      rows_(parts),
      queries_(parts),
      level_(parts) {
  for (std::uint32_t p = 0; p < parts; ++p) by_level_.emplace(0.0, p);
}

void PartLoads::add(std::uint32_t part, double rows, double queries) {
  by_level_.erase({level_[part], part});
  rows_[part] += rows;
  queries_[part] += queries;
  level_[part] = (rows_[part] / mean_rows_ + queries_[part] / mean_queries_) / 2;
  by_level_.emplace(level_[part], part);
}

double PartLoads::excess_added(std::uint32_t part, double rows, double queries) const {
  const auto excess = [](double load, double limit) { return std::max(0.0, load / limit - 1); };
  const double added = excess(rows_[part] + rows, limits_.rows) - excess(rows_[part], limits_.rows) +
                       excess(queries_[part] + queries, limits_.queries) - excess(queries_[part], limits_.queries);
  return added * limits_.queries;
}

double PartLoads::weight(double rows, double queries) const {
  return (rows * mean_queries_ / mean_rows_ + queries) / 2;
}

Fennel::Fennel(Adjacency& graph, const VertexWeights& weights, std::size_t parts, LoadLimits limits)
    : graph_(&graph), weights_(&weights), loads_(parts, weights, limits), links_(parts) {}

void Fennel::count_links(std::span<const std::uint32_t> neighbours, std::span<const std::uint32_t> part_of_vertex) {
  for (const std::uint32_t part : touched_) links_[part] = 0;
  touched_.clear();
  for (const std::uint32_t neighbour : neighbours) {
    const std::uint32_t part = part_of_vertex[neighbour];
    if (part != kNoPart && links_[part]++ == 0) touched_.push_back(part);
  }
}

// Where a vertex fits, the lightest part without links beats the other parts without links, so a visit costs
// O(neighbours) as a rule. Where it fits nowhere, the cost of excess trades rows for queries between full parts.
std::uint32_t Fennel::choose(std::uint32_t vertex, std::uint32_t current) const {
  const double rows = weights_->rows[vertex];
  const auto queries = static_cast<double>(weights_->queries[vertex]);
  const double weight = kStrength * loads_.weight(rows, queries);
  std::uint32_t best = kNoPart;
  double best_score = 0;
  double best_excess = 0;
  const auto consider = [&](std::uint32_t part) {
    const double excess = loads_.excess_added(part, rows, queries);
    const double score = links_[part] - excess - weight * std::sqrt(std::max(0.0, loads_.level(part)));
    if (best != kNoPart && score <= best_score) return;
    best = part;
    best_score = score;
    best_excess = excess;
  };
  if (current != kNoPart) consider(current);
  for (const std::uint32_t part : touched_) consider(part);
  consider(loads_.lightest());
  if (best_excess > 0)
    for (std::uint32_t part = 0; part < loads_.size(); ++part) consider(part);
  return best;
}

void Fennel::run(std::uint64_t seed, std::uint32_t passes, std::span<std::uint32_t> part_of_vertex) {
  for (std::size_t v = 0; v < part_of_vertex.size(); ++v)
    if (part_of_vertex[v] != kNoPart)
      loads_.add(part_of_vertex[v], weights_->rows[v], static_cast<double>(weights_->queries[v]));
  for (std::uint32_t pass = 0; pass < passes; ++pass) {
    std::uint64_t moved = 0;
    const auto place = [&](std::uint32_t v, std::span<std::uint32_t> neighbours) {
      const std::uint32_t before = part_of_vertex[v];
      const auto queries = static_cast<double>(weights_->queries[v]);
      if (before != kNoPart) loads_.remove(before, weights_->rows[v], queries);
      count_links(neighbours, part_of_vertex);
      part_of_vertex[v] = choose(v, before);
      loads_.add(part_of_vertex[v], weights_->rows[v], queries);
      if (part_of_vertex[v] != before) ++moved;
    };
    graph_->for_each_shuffled(RandomStream(seed, Purpose::kPartition, pass), place);
    if (moved * kStillMoving < part_of_vertex.size()) break;
  }
}

}  // namespace tessera::partition
