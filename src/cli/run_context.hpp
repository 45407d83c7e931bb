// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "core/job.hpp"
#include "execution/executor.hpp"
#include "graph/shard.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::cli {

/// What train, evaluate and predict share: the job, the rank's pool and its shard.
struct RunContext {
  Job job;
  std::size_t threads = 1;
  std::unique_ptr<memory::Pool> pool;
  graph::Shard shard;
  const kernels::Backend& backend;
  execution::HostExecutor host;  ///< over all of these
};

/// Collective. Reads and agrees on a job file.
Job read_job_together(Environment& environment, const std::string& file, const std::vector<std::string>& overrides);

/// Collective. The job of a run as it was trained, with `overrides` (key=value). `run` is the run folder, wherever it
/// is now, or a job file that names it. Throws AgreedError(kMissingInput).
Job job_of_run(Environment& environment, const std::string& run, const std::vector<std::string>& overrides);

/// Collective. Makes the pool within the budget and loads the parts of this rank, as `placement` gives them out;
/// without one, equal numbers to all ranks. Throws AgreedError.
RunContext open_context(Environment& environment, const Job& job,
                        const std::optional<graph::Placement>& placement = std::nullopt);

/// Collective. Loads a checkpoint of the run: of `epoch`, else the best by validation, else the newest; or an exported
/// model, which has no other epoch. Returns the epoch.
std::uint64_t load_checkpoint(Environment& environment, const RunContext& context, std::optional<std::uint64_t> epoch,
                              model::Parameters& parameters);

/// The split of that name; throws Error(kUsage).
graph::Split find_split(const std::string& name);

/// Threads of this rank: run.threads, else the cores that it may use, shared with the other ranks of the host.
std::size_t thread_count(const Job& job, const comm::Communicator& comm);

}  // namespace tessera::cli
