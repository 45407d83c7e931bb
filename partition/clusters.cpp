// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/clusters.hpp"

#include <numeric>

namespace tessera::partition {
namespace {

constexpr std::uint32_t kPasses = 4;
constexpr std::uint32_t kUnnumbered = std::numeric_limits<std::uint32_t>::max();

class LabelPropagation {
 public:
  LabelPropagation(const VertexWeights& weights, LoadLimits limits)
      : weights_(&weights), limits_(limits), sizes_(weights), labels_(weights.rows.size()), links_(labels_.size()) {
    std::iota(labels_.begin(), labels_.end(), 0U);
  }

  void visit(std::uint32_t vertex, std::span<const std::uint32_t> neighbours) {
    for (const std::uint32_t neighbour : neighbours)
      if (links_[labels_[neighbour]]++ == 0) touched_.push_back(labels_[neighbour]);
    const std::uint32_t from = labels_[vertex];
    const std::uint32_t to = choose(vertex, from);
    for (const std::uint32_t label : touched_) links_[label] = 0;
    touched_.clear();
    if (to == from) return;
    labels_[vertex] = to;
    sizes_.rows[from] -= weights_->rows[vertex];
    sizes_.queries[from] -= weights_->queries[vertex];
    sizes_.rows[to] += weights_->rows[vertex];
    sizes_.queries[to] += weights_->queries[vertex];
  }

  // Clusters become vertices, numbered as they first appear.
  Level take() {
    Level level;
    level.coarse_of = std::move(labels_);
    links_.assign(level.coarse_of.size(), kUnnumbered);
    for (std::uint32_t& label : level.coarse_of) {
      if (links_[label] == kUnnumbered) {
        links_[label] = static_cast<std::uint32_t>(level.weights.rows.size());
        level.weights.rows.push_back(sizes_.rows[label]);
        level.weights.queries.push_back(sizes_.queries[label]);
      }
      label = links_[label];
    }
    return level;
  }

 private:
  [[nodiscard]] bool fits(std::uint32_t vertex, std::uint32_t label) const {
    return static_cast<double>(sizes_.rows[label] + weights_->rows[vertex]) <= limits_.rows &&
           static_cast<double>(sizes_.queries[label] + weights_->queries[vertex]) <= limits_.queries;
  }

  [[nodiscard]] std::uint32_t choose(std::uint32_t vertex, std::uint32_t from) const {
    std::uint32_t best = from;
    for (const std::uint32_t label : touched_) {
      if (label == from || links_[label] < links_[best] || !fits(vertex, label)) continue;
      const bool smaller = best != from && sizes_.queries[label] < sizes_.queries[best];
      if (links_[label] > links_[best] || smaller) best = label;
    }
    return best;
  }

  const VertexWeights* weights_;
  LoadLimits limits_;
  VertexWeights sizes_;                // sizes of each cluster
  std::vector<std::uint32_t> labels_;  // cluster of each vertex
  std::vector<std::uint32_t> links_;   // edges of the current vertex into each cluster
  std::vector<std::uint32_t> touched_;
};

}  // namespace

Level cluster(Adjacency& graph, const VertexWeights& weights, LoadLimits limits, std::uint64_t seed) {
  LabelPropagation propagation(weights, limits);
  for (std::uint32_t pass = 0; pass < kPasses; ++pass)
    graph.for_each_shuffled(
        RandomStream(seed, Purpose::kPartition, pass),
        [&](std::uint32_t v, std::span<const std::uint32_t> neighbours) { propagation.visit(v, neighbours); });
  return propagation.take();
}

}  // namespace tessera::partition
