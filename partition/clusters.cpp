// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/clusters.hpp"

#include "partition/link_counter.hpp"
#include "partition/proposals.hpp"

#include <numeric>

namespace tessera::partition {
namespace {

constexpr std::uint32_t kPasses = 4;
constexpr std::uint32_t kUnnumbered = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kHardlyAny = 1000;  // a pass that moves fewer vertices than one in this many is the last one

struct Move {
  std::uint32_t vertex;
  std::uint32_t to;
};

struct Size {
  std::uint64_t queries;
  std::uint32_t rows;
};

class LabelPropagation {
 public:
  LabelPropagation(const VertexWeights& weights, LoadLimits limits, const StreamSettings& settings)
      : weights_(&weights),
        limits_(limits),
        seed_(settings.seed),
        salt_(static_cast<std::uint32_t>(settings.seed * 0x9E3779B97F4A7C15ULL >> 32U)),
        labels_(weights.rows.size()),
        counters_(std::max<std::size_t>(1, settings.threads)),
        moves_(settings.threads) {
    std::iota(labels_.begin(), labels_.end(), 0U);
    sizes_.reserve(labels_.size());
    for (std::size_t v = 0; v < labels_.size(); ++v) sizes_.push_back({weights.queries[v], weights.rows[v]});
  }

  void run(Neighbours& graph) {
    for (std::uint32_t pass = 0; pass < kPasses; ++pass) {
      std::uint64_t moved = 0;
      const RandomStream order(seed_, Purpose::kPartition, pass);
      for_each_batch(graph, labels_.size(), order, [&](const Rows& rows, const Batch& batch) {
        moves_.collect(rows, batch, [&](std::size_t worker, std::uint32_t vertex, std::vector<Move>& moves) {
          const std::uint32_t to = choose(rows, vertex, counters_[worker]);
          if (to != labels_[vertex]) moves.push_back({vertex, to});
        });
        moves_.for_each([&](const Move& move) { moved += apply(move) ? 1 : 0; });
      });
      if (moved * kHardlyAny < labels_.size()) return;
    }
  }

  // Clusters become vertices, numbered as they first appear.
  Level take() {
    Level level;
    level.coarse_of = std::move(labels_);
    std::vector<std::uint32_t> number(level.coarse_of.size(), kUnnumbered);
    for (std::uint32_t& label : level.coarse_of) {
      if (number[label] == kUnnumbered) {
        number[label] = static_cast<std::uint32_t>(level.weights.rows.size());
        level.weights.rows.push_back(sizes_[label].rows);
        level.weights.queries.push_back(sizes_[label].queries);
      }
      label = number[label];
    }
    return level;
  }

 private:
  [[nodiscard]] bool fits(std::uint32_t vertex, std::uint32_t label) const {
    return static_cast<double>(sizes_[label].rows + weights_->rows[vertex]) <= limits_.rows &&
           static_cast<double>(sizes_[label].queries + weights_->queries[vertex]) <= limits_.queries;
  }

  // Of clusters with as many links, the smaller one; of equal ones, a random one. So the order of neighbours is no
  // matter.
  [[nodiscard]] bool is_better(std::uint32_t label, std::uint32_t best) const {
    if (sizes_[label].queries != sizes_[best].queries) return sizes_[label].queries < sizes_[best].queries;
    return mix(label) < mix(best);
  }

  [[nodiscard]] std::uint32_t mix(std::uint32_t label) const { return (label ^ salt_) * 0x9E3779B1U; }

  [[nodiscard]] std::uint32_t choose(const Rows& rows, std::uint32_t vertex, LinkCounter& counter) const {
    const std::span<const std::uint32_t> neighbours = rows.of(vertex);
    counter.begin(neighbours.size());
    counter.add(neighbours, rows.weights_of(vertex), labels_.data());
    const std::uint32_t from = labels_[vertex];
    std::uint32_t best = from;
    std::uint32_t most = counter.of(from);
    counter.for_each([&](std::uint32_t label, std::uint32_t links) {
      if (label == from || links < most) return;
      if (links == most && (best == from || !is_better(label, best))) return;
      if (!fits(vertex, label)) return;
      best = label;
      most = links;
    });
    counter.clear();
    return best;
  }

  bool apply(const Move& move) {
    if (!fits(move.vertex, move.to)) return false;
    Size& from = sizes_[labels_[move.vertex]];
    Size& to = sizes_[move.to];
    const std::uint32_t rows = weights_->rows[move.vertex];
    const std::uint64_t queries = weights_->queries[move.vertex];
    from = {from.queries - queries, from.rows - rows};
    to = {to.queries + queries, to.rows + rows};
    labels_[move.vertex] = move.to;
    return true;
  }

  const VertexWeights* weights_;
  LoadLimits limits_;
  std::uint64_t seed_;
  std::uint32_t salt_;
  std::vector<Size> sizes_;            // sizes of each cluster
  std::vector<std::uint32_t> labels_;  // cluster of each vertex
  std::vector<LinkCounter> counters_;  // by worker
  Proposals<Move> moves_;
};

}  // namespace

Level cluster(Neighbours& graph, const VertexWeights& weights, LoadLimits limits, const StreamSettings& settings) {
  LabelPropagation propagation(weights, limits, settings);
  propagation.run(graph);
  return propagation.take();
}

}  // namespace tessera::partition
