// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "memory/budget.hpp"
#include "plan/graph_sizes.hpp"
#include "plan/rank_plan.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tessera::plan {

/// Ranks on equal nodes.
struct Layout {
  std::int32_t ranks = 1;
  std::int32_t ranks_per_node = 1;
  [[nodiscard]] std::int32_t nodes() const { return (ranks + ranks_per_node - 1) / ranks_per_node; }
};

/// What a rank gets of a node when that many ranks share it.
struct Node {
  std::function<memory::Budget(const Job& job, int ranks_on_host)> budget;
  std::function<std::size_t(const Job& job, int ranks_on_host)> threads;
};

/// A stage on the ranks of a layout.
struct StagePlan {
  Stage stage = Stage::kTrain;
  Rank rank = Rank(0);           ///< the rank that takes most of its pool
  RankPlan fullest;              ///< its bytes
  std::uint64_t node_bytes = 0;  ///< of all ranks of the fullest node, outside their pools too
  memory::Budget budget;         ///< of a rank
  [[nodiscard]] bool fits() const { return fullest.pool_bytes() <= budget.host_bytes; }
};

/// A change of the job and what it saves of the pool of the fullest rank.
struct Setting {
  std::string text;  ///< "memory.queries=stream"
  std::string cost;  ///< "reads queries from disk in every epoch"
  std::uint64_t saves_bytes = 0;
  bool fits = false;  ///< the job fits with this change alone
};

struct Advice {
  std::vector<Setting> settings;  ///< that save anything, the cheapest first
  // Where the job does not fit:
  std::vector<std::string> together;  ///< settings that fit together, when none fits alone; may be empty
  std::optional<Layout> smallest;     ///< the fewest ranks that fit the job as it is; none: not even one for each part
};

/// Plans of a job on one graph.
class Planner {
 public:
  /// `items` are find_items() of jobs that are planned; `exported_rows` as of a PlannedRank. `sizes` outlive this.
  Planner(const GraphSizes& sizes, std::vector<sampling::ItemCount> items, Node node,
          std::optional<kernels::RowFormat> exported_rows = std::nullopt)
      : sizes_(sizes), items_(std::move(items)), node_(std::move(node)), exported_rows_(exported_rows) {}

  /// Throws Error(kUsage) for more ranks than parts.
  [[nodiscard]] StagePlan plan(Stage stage, const Job& job, const Layout& layout) const;
  /// The settings that lower the peak of a stage, found by planning with each. Those that do not fit the job
  /// (train::check_fit) are left out.
  [[nodiscard]] Advice advise(Stage stage, const Job& job, const Layout& layout) const;
  /// The fewest ranks, with as many on each node as `layout` has, on which all of `stages` fit.
  [[nodiscard]] std::optional<Layout> smallest(std::span<const Stage> stages, const Job& job,
                                               const Layout& layout) const;

 private:
  [[nodiscard]] graph::Placement placement(Stage stage, const Job& job, const Layout& layout) const;
  [[nodiscard]] std::vector<std::string> fitting_together(Stage stage, const Job& job, const Layout& layout,
                                                          const std::vector<Setting>& settings) const;
  [[nodiscard]] std::vector<Rank> ranks_to_plan(const graph::Placement& placement) const;

  const GraphSizes& sizes_;
  std::vector<sampling::ItemCount> items_;
  Node node_;
  std::optional<kernels::RowFormat> exported_rows_;
};

}  // namespace tessera::plan
