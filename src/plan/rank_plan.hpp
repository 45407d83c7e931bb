// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "graph/shard.hpp"
#include "memory/tag.hpp"
#include "model/part_table.hpp"
#include "plan/graph_sizes.hpp"
#include "sampling/query_items.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::plan {

/// What the ranks of a job do.
enum class Stage { kTrain, kEvaluate, kPredict, kExport };
inline constexpr std::array<Stage, 4> kStages = {Stage::kTrain, Stage::kEvaluate, Stage::kPredict, Stage::kExport};
/// "train", "evaluate", ...
const char* name(Stage stage);

/// The rank that a plan is made for.
struct PlannedRank {
  const Job& job;
  const GraphSizes& sizes;
  const graph::Placement& placement;
  Rank rank;
  int ranks_on_host = 1;
  std::size_t threads = 1;
  std::uint64_t budget_bytes = 0;          ///< of its pool: some sizes go by what is left of it
  std::vector<sampling::ItemCount> items;  ///< find_items(); empty: training is planned without its engine
  bool on_device = false;                  ///< it trains on a device
  /// Rows of an exported model that it ranks or answers with; none: a checkpoint, with rows as the job says.
  std::optional<kernels::RowFormat> exported_rows = std::nullopt;
};

/// The bytes of a rank at its peak.
struct RankPlan {
  std::array<std::uint64_t, memory::kTagCount> host{};  ///< of the pool, by purpose
  std::uint64_t outside = 0;                            ///< of the process, outside the pool: see outside.hpp
  std::uint64_t pinned = 0;                             ///< of the host's bytes: what a device reads and writes
  std::uint64_t device = 0;                             ///< estimate

  [[nodiscard]] std::uint64_t pool_bytes() const;
  /// Without the copy that checkpoints are written from, which is taken only of memory that is left.
  [[nodiscard]] std::uint64_t needed_bytes() const;
  [[nodiscard]] std::uint64_t all_bytes() const { return pool_bytes() + outside; }
  /// "rows 12.0 MiB, logits 8.0 MiB, ...", the largest first.
  [[nodiscard]] std::string describe() const;
};

/// What a stage takes of a rank. The objects of the stage are constructed over a pool that only counts, so the bytes of
/// the pool are those that a run takes. Takes milliseconds and hardly any memory.
RankPlan plan_rank(Stage stage, const PlannedRank& planned);

}  // namespace tessera::plan
