// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "core/job.hpp"
#include "execution/executor.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "plan/rank_plan.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::cli {

/// The commands train, evaluate and predict work with it: the job, the rank's pool and its shard.
struct RunContext {
  Job job;
  std::unique_ptr<memory::Pool> pool;
  graph::Shard shard;
  execution::HostExecutor host;  ///< threads of this rank, over the pool
};

/// A model that is ranked or searched, and the epoch of its checkpoint.
struct ServedModel {
  RunContext context;
  std::unique_ptr<model::TableStore> tables;  ///< of a model that is larger than memory; else null
  model::Parameters parameters;
  std::uint64_t epoch;
};

/// Collective. Reads and agrees on a job file.
Job read_job_together(comm::Communicator& comm, const std::string& file, const std::vector<std::string>& overrides);

/// Collective. The job of a run as it was trained, with `overrides` (key=value). `run` is the run folder, wherever it
/// is now, or a job file that names it. Throws AgreedError(kMissingInput).
Job job_of_run(comm::Communicator& comm, const std::string& run, const std::vector<std::string>& overrides);

/// What a context is for.
struct Purpose {
  plan::Stage stage = plan::Stage::kEvaluate;
  std::optional<graph::Placement> placement = std::nullopt;        ///< none: equal numbers to all ranks
  bool on_device = false;                                          ///< some rank trains on a device
  std::optional<kernels::RowFormat> exported_rows = std::nullopt;  ///< of an exported model
  bool is_planned = true;  ///< the planner knows what the stage takes; else nothing is refused beforehand
};

/// Collective. Makes the pool within the budget and loads the parts of this rank. Throws AgreedError; kOverBudget
/// before anything is loaded when the stage does not fit.
RunContext open_context(comm::Communicator& comm, const Job& job, const Purpose& purpose);

/// Collective. Opens the context of the run and loads a checkpoint: that of `epoch`, else the best by validation, else
/// the newest. An exported model has one epoch alone.
ServedModel open_model(comm::Communicator& comm, const Job& job, plan::Stage stage, std::optional<std::uint64_t> epoch);

/// The split of that name; throws Error(kUsage).
graph::Split find_split(const std::string& name);

/// Threads of this rank: run.threads, else the cores that it may use, shared with the other ranks of the host.
std::size_t thread_count(const Job& job, const comm::Communicator& comm);

}  // namespace tessera::cli
