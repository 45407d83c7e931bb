// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/stream.hpp"

#include "core/log.hpp"
#include "core/text.hpp"
#include "partition/assignment.hpp"
#include "partition/clusters.hpp"
#include "partition/fennel.hpp"

#include <algorithm>

namespace tessera::partition {
namespace {

constexpr std::uint64_t kCoarsestPerPart = 40;  // vertices per part that need no further merging
constexpr double kLargestCluster = 0.02;  // largest share of a part in one cluster; larger ones are hard to balance
constexpr double kLeastShrinking = 0.95;  // a level that keeps more vertices than this is not worth it
constexpr double kCoarseSlack = 0.2;      // how much looser the limits of balance are at the coarsest level
constexpr std::uint32_t kCoarsePasses = 30;
constexpr std::uint32_t kFinePasses = 10;

LoadLimits scaled(LoadLimits limits, double factor) { return {limits.rows * factor, limits.queries * factor}; }

class Multilevel {
 public:
  Multilevel(const graph::GraphReader& reader, const TrainingSummary& summary, const PartitionOptions& options)
      : reader_(&reader), summary_(&summary), options_(&options) {
    const auto& degree = summary.vertex_degree;
    levels_.push_back({{}, {std::vector<std::uint32_t>(degree.size(), 1), {degree.begin(), degree.end()}}});
  }

  void coarsen() {
    const LoadLimits largest = scaled(load_limits(*summary_, options_->parts, 1), kLargestCluster);
    for (;;) {
      const std::size_t before = vertices();
      if (before <= kCoarsestPerPart * options_->parts) return;
      const std::vector<std::uint32_t> vertex_of = vertex_of_entities(levels_.size() - 1);
      Adjacency graph = adjacency(levels_.size() - 1, vertex_of);
      Level level = cluster(graph, levels_.back().weights, largest, options_->seed);
      const auto after = static_cast<double>(level.weights.rows.size());
      if (after > kLeastShrinking * static_cast<double>(before)) return;
      levels_.push_back(std::move(level));
      log::debug("merged {} vertices into {}", text::with_thousands(before), text::with_thousands(vertices()));
    }
  }

  std::vector<std::uint32_t> place() {
    std::vector<std::uint32_t> parts(vertices(), kNoPart);
    improve(parts, kCoarsePasses);
    while (levels_.size() > 1) {
      std::vector<std::uint32_t> finer(levels_.back().coarse_of.size());
      std::transform(levels_.back().coarse_of.begin(), levels_.back().coarse_of.end(), finer.begin(),
                     [&](std::uint32_t coarse) { return parts[coarse]; });
      levels_.pop_back();
      parts = std::move(finer);
      improve(parts, kFinePasses);
    }
    return parts;
  }

  // Restreams the level that is the coarsest now.
  void improve(std::vector<std::uint32_t>& parts, std::uint32_t passes) {
    deepest_ = std::max(deepest_, levels_.size());
    const double depth = deepest_ > 1 ? static_cast<double>(levels_.size() - 1) / static_cast<double>(deepest_ - 1) : 0;
    const LoadLimits limits =
        scaled(load_limits(*summary_, options_->parts, options_->imbalance), 1 + kCoarseSlack * depth);
    const std::vector<std::uint32_t> vertex_of = vertex_of_entities(levels_.size() - 1);
    Adjacency graph = adjacency(levels_.size() - 1, vertex_of);
    Fennel(graph, levels_.back().weights, options_->parts, limits).run(options_->seed, passes, parts);
  }

 private:
  [[nodiscard]] std::size_t vertices() const { return levels_.back().weights.rows.size(); }

  [[nodiscard]] std::vector<std::uint32_t> vertex_of_entities(std::size_t depth) const {
    std::vector<std::uint32_t> vertex_of = summary_->vertex;
    for (std::uint32_t& vertex : vertex_of)
      for (std::size_t level = 1; level <= depth && vertex != kLoose; ++level)
        vertex = levels_[level].coarse_of[vertex];
    return vertex_of;
  }

  [[nodiscard]] Adjacency adjacency(std::size_t depth, const std::vector<std::uint32_t>& vertex_of) const {
    return {*reader_, vertex_of, levels_[depth].weights.queries, options_->block_bytes};
  }

  const graph::GraphReader* reader_;
  const TrainingSummary* summary_;
  const PartitionOptions* options_;
  std::vector<Level> levels_;  // the finest first
  std::size_t deepest_ = 0;
};

}  // namespace

std::vector<std::uint32_t> stream_partition(const graph::GraphReader& reader, const TrainingSummary& summary,
                                            const PartitionOptions& options) {
  if (summary.vertex_count() == 0) return {};
  Multilevel multilevel(reader, summary, options);
  multilevel.coarsen();
  return multilevel.place();
}

void restream(const graph::GraphReader& reader, const TrainingSummary& summary, const PartitionOptions& options,
              std::vector<std::uint32_t>& part_of_vertex) {
  if (summary.vertex_count() == 0) return;
  Multilevel(reader, summary, options).improve(part_of_vertex, kFinePasses);
}

}  // namespace tessera::partition
