// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/stream.hpp"

#include "core/log.hpp"
#include "core/text.hpp"
#include "partition/assignment.hpp"
#include "partition/clusters.hpp"
#include "partition/contraction.hpp"
#include "partition/fennel.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace tessera::partition {
namespace {

constexpr std::uint64_t kCoarsestPerPart = 40;  // vertices per part that need no further merging
constexpr double kLargestCluster = 0.02;  // largest share of a part in one cluster; larger ones are hard to balance
constexpr double kLeastShrinking = 0.95;  // a level that keeps more vertices than this is not worth it
constexpr double kCoarseSlack = 0.2;      // how much looser the limits of balance are at the coarsest level
constexpr std::uint32_t kCoarsePasses = 30;
constexpr std::uint32_t kFinePasses = 6;

LoadLimits scaled(LoadLimits limits, double factor) { return {limits.rows * factor, limits.queries * factor}; }

// The graph of a level that is read from the triples.
class TriplesOfLevel final : public Neighbours {
 public:
  TriplesOfLevel(const graph::GraphReader& reader, std::vector<std::uint32_t> vertex_of,
                 const std::vector<std::uint64_t>& most_neighbours, const AdjacencySettings& settings)
      : vertex_of_(std::move(vertex_of)), adjacency_(reader, vertex_of_, most_neighbours, settings) {}
  void for_each_block(const std::function<void(const Rows&)>& visit) override { adjacency_.for_each_block(visit); }
  [[nodiscard]] bool is_one_block() const { return adjacency_.block_count() == 1; }

 private:
  std::vector<std::uint32_t> vertex_of_;
  Adjacency adjacency_;
};

class Multilevel {
 public:
  Multilevel(const graph::GraphReader& reader, const TrainingSummary& summary, const PartitionOptions& options)
      : reader_(&reader), summary_(&summary), options_(&options), settings_{options.seed, options.threads} {
    const auto& degree = summary.vertex_degree;
    levels_.push_back({{}, {std::vector<std::uint32_t>(degree.size(), 1), {degree.begin(), degree.end()}}});
    keep_graph();
  }

  void coarsen() {
    const LoadLimits largest = scaled(load_limits(*summary_, options_->parts, 1), kLargestCluster);
    for (;;) {
      const std::size_t before = vertices();
      if (before <= kCoarsestPerPart * options_->parts) return;
      Level level = cluster(*graph(), levels_.back().weights, largest, settings_);
      const auto after = static_cast<double>(level.weights.rows.size());
      if (after > kLeastShrinking * static_cast<double>(before)) return;
      levels_.push_back(std::move(level));
      keep_graph();
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
      graphs_.pop_back();
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
    const VertexWeights& weights = levels_.back().weights;
    restream_parts(*graph(), weights, PartLoads(options_->parts, weights, limits), settings_, passes, parts);
    log::debug("placed {} vertices", text::with_thousands(vertices()));
  }

 private:
  [[nodiscard]] std::size_t vertices() const { return levels_.back().weights.rows.size(); }

  // Keeps the graph of the newest level if it fits the memory. It is made from the one before where that one is kept.
  void keep_graph() {
    std::shared_ptr<Neighbours> kept;
    if (levels_.size() == 1) {
      auto read = read_graph();
      if (read->is_one_block()) kept = std::move(read);
    } else if (graphs_.back() != nullptr) {
      kept = merge_last();
    }
    graphs_.push_back(std::move(kept));
  }

  std::shared_ptr<MergedGraph> merge_last() {
    const Merging merging{levels_.back().coarse_of, static_cast<std::uint32_t>(vertices()),
                          options_->block_bytes - std::min(options_->block_bytes, merged_bytes_), options_->threads};
    std::shared_ptr<MergedGraph> merged;
    graphs_.back()->for_each_block([&](const Rows& finer) { merged = contract(finer, merging); });
    if (merged != nullptr) merged_bytes_ += merged->bytes();
    return merged;
  }

  [[nodiscard]] std::shared_ptr<TriplesOfLevel> read_graph() const {
    const AdjacencySettings reading{options_->block_bytes, Batch::segment(vertices()), options_->threads};
    return std::make_shared<TriplesOfLevel>(*reader_, vertex_of_entities(), levels_.back().weights.queries, reading);
  }

  // The graph of the newest level, the same whether it was kept or is read again.
  [[nodiscard]] std::shared_ptr<Neighbours> graph() const {
    return graphs_.back() != nullptr ? graphs_.back() : read_graph();
  }

  [[nodiscard]] std::vector<std::uint32_t> vertex_of_entities() const {
    std::vector<std::uint32_t> vertex_of = summary_->vertex;
    for (std::uint32_t& vertex : vertex_of)
      for (std::size_t level = 1; level < levels_.size() && vertex != kLoose; ++level)
        vertex = levels_[level].coarse_of[vertex];
    return vertex_of;
  }

  const graph::GraphReader* reader_;
  const TrainingSummary* summary_;
  const PartitionOptions* options_;
  StreamSettings settings_;
  std::vector<Level> levels_;                        // the finest first
  std::vector<std::shared_ptr<Neighbours>> graphs_;  // of each level; null: not kept
  std::uint64_t merged_bytes_ = 0;
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
