// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/job.hpp"
#include "graph/shard.hpp"
#include "plan/planner.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace tessera::cli {

/// What this machine gives a rank.
plan::Node this_node();

/// A rank that is about to do a stage of a job on a partition that is there.
struct Starting {
  const Job& job;
  plan::Stage stage;
  const graph::Placement& placement;
  std::uint64_t budget_bytes;
  bool on_device = false;
  std::optional<kernels::RowFormat> exported_rows = std::nullopt;  ///< of an exported model
};

/// Throws Error(kOverBudget) when the stage does not fit the budget of this rank, before anything is loaded. Not
/// collective. `items` are those of the run where they are known. Ranks on devices are held to their rows and queries.
void require_fit(const comm::Communicator& comm, const Starting& starting,
                 const std::vector<sampling::ItemCount>& items = {});

/// Collective. The bytes that the stage will take of the pool, by purpose: the largest of the ranks.
std::array<std::uint64_t, memory::kTagCount> planned_bytes(comm::Communicator& comm, const Starting& starting,
                                                           const std::vector<sampling::ItemCount>& items);

}  // namespace tessera::cli
