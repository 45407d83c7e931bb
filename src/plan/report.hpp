// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/partition_plan.hpp"
#include "plan/planner.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tessera::plan {

/// All that `tessera plan` found.
struct Report {
  const Job& job;
  const GraphSizes& sizes;
  Layout layout;
  std::size_t threads = 1;
  std::string exchange;            ///< "rows" or "queries"
  std::string exported_rows = {};  ///< format of the rows that 'evaluate' and 'predict' read; empty: a checkpoint
  std::vector<StagePlan> stages;
  std::vector<PartitionPlan> partition;
  std::optional<Layout> smallest;       ///< the fewest ranks on which every stage fits
  Advice advice;                        ///< for training
  std::optional<double> epoch_seconds;  ///< of computing, where it was measured

  [[nodiscard]] bool fits() const;
};

/// Text for people, and JSON.
std::string to_text(const Report& report);
std::string to_json(const Report& report);

}  // namespace tessera::plan
