// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/run_context.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/mapped_tables.hpp"
#include "checkpoint/model_file.hpp"
#include "cli/graph_model.hpp"
#include "cli/planning.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "graph/graph_writer.hpp"
#include "memory/budget.hpp"
#include "model/row_formats.hpp"
#include "storage/checksum.hpp"
#include "train/engine.hpp"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace tessera::cli {
namespace {

// A partition of another graph of the same name must not be used with this one.
void check_same_graph(const std::filesystem::path& graph_folder, const graph::PartitionManifest& manifest) {
  const auto checksums = storage::FolderChecksums::load(graph_folder);
  const auto found = checksums.digests().find("graph.h5");
  if (found == checksums.digests().end())
    fail(ExitStatus::kMissingInput, "graph '{}' does not exist or is not complete; 'tessera import' makes it",
         graph_folder.string());
  if (found->second.hex() != manifest.graph_digest)
    fail(ExitStatus::kBadData,
         "'{}' was partitioned from another graph.h5 than the one that is there now; partition it again",
         graph::partition_folder(graph_folder, manifest.part_count()).string());
}

// The job file that was named instead of a run folder, if it was.
std::optional<Job> named_job(const std::string& run, const std::vector<std::string>& overrides) {
  if (std::filesystem::is_directory(run)) return std::nullopt;
  if (!std::filesystem::exists(run))
    fail(ExitStatus::kMissingInput, "'{}' does not exist; name a run folder or its job file", run);
  Job job = read_job(run, overrides);
  if (!std::filesystem::is_directory(job.run.folder))
    fail(ExitStatus::kMissingInput, "run folder '{}' of job file '{}' does not exist; 'tessera train' makes it",
         job.run.folder, run);
  return job;
}

// Collective. Loads the checkpoint that open_model() names and returns its epoch.
std::uint64_t load_checkpoint(comm::Communicator& comm, const RunContext& context, std::optional<std::uint64_t> epoch,
                              model::Parameters& parameters) {
  const checkpoint::CheckpointStore checkpoints(context.job.run.folder);
  if (epoch) comm::on_root(comm, [&] { checkpoints.require(*epoch); });
  const checkpoint::RunState state =
      epoch ? comm::together(comm, [&] { return checkpoints.load(*epoch, context.shard, parameters); })
            : checkpoints.load_best(comm, context.shard, parameters);
  if (comm.is_root()) log::info("checkpoint after epoch {} of '{}'", state.epoch, context.job.run.folder);
  return state.epoch;
}

// Collective. All ranks map, or none.
bool needs_mapped_tables(comm::Communicator& comm, const RunContext& context, const model::RowMemory& memory) {
  const std::uint64_t bytes = model::row_bytes(context.shard, context.job.model, memory);
  const bool is_large = checkpoint::are_mapped(bytes, context.pool->budget_bytes());
  if (comm.reduce(is_large ? 1 : 0, comm::Reduction::kMax) == 0) return false;
  if (comm.is_root())
    log::info("entity rows are read from the files of the checkpoint: they would take {}", text::bytes(bytes));
  return true;
}

// Collective. The exported model in the folder of the job, if it holds one.
std::optional<checkpoint::ModelFile> find_exported(comm::Communicator& comm, const Job& job,
                                                   std::optional<std::uint64_t> epoch) {
  const bool is_exported = checkpoint::is_exported(job.run.folder);
  if (comm.reduce(is_exported ? 1 : 0, comm::Reduction::kMax) == 0) return std::nullopt;
  return comm::together(comm, [&]() -> std::optional<checkpoint::ModelFile> {
    if (epoch) checkpoint::refuse_epoch_of_exported(job.run.folder);
    return checkpoint::ModelFile(job.run.folder);
  });
}

// Collective. The rows of an exported model are in memory as they are stored.
ServedModel open_exported(comm::Communicator& comm, const Job& job, plan::Stage stage,
                          const checkpoint::ModelFile& file) {
  RunContext context = open_context(comm, job, {.stage = stage, .exported_rows = file.row_format()});
  model::Parameters parameters = comm::together(comm, [&] {
    model::Parameters loaded(context.shard, job.model, model::StateShape::kNone, *context.pool,
                             {.format = file.row_format()});
    file.load(graph::partition_folder(job.data.graph, job.data.parts), context.shard, loaded);
    return loaded;
  });
  if (comm.is_root()) log::info("exported model '{}', rows in {}", job.run.folder, model::name(file.row_format()));
  return {std::move(context), nullptr, std::move(parameters), file.shape().epoch};
}

}  // namespace

Job read_job_together(comm::Communicator& comm, const std::string& file, const std::vector<std::string>& overrides) {
  return comm::together(comm, [&] { return read_job(file, overrides); });
}

Job job_of_run(comm::Communicator& comm, const std::string& run, const std::vector<std::string>& overrides) {
  return comm::together(comm, [&] {
    const std::optional<Job> named = named_job(run, overrides);
    const std::string folder = named ? named->run.folder : run;
    const std::filesystem::path file = std::filesystem::path(folder) / kJobFile;
    if (std::filesystem::exists(std::filesystem::path(folder) / graph::kGraphFile))
      fail(ExitStatus::kMissingInput, "'{}' is a graph, not a run; 'tessera train' makes runs of it", folder);
    if (!std::filesystem::exists(file))
      fail(ExitStatus::kMissingInput, "'{}' is not a run folder: it has no {}", folder, kJobFile);
    Job job = read_job(file, overrides);
    job.run.folder = folder;
    if (named) job.expect = named->expect;  // how it was trained stands in the run, what is expected in the file
    if (!std::filesystem::exists(job.data.graph))
      fail(ExitStatus::kMissingInput,
           "graph '{}', on which run '{}' was trained, is not there; say where it is now: data.graph=FOLDER",
           job.data.graph, folder);
    return job;
  });
}

graph::Split find_split(const std::string& name) {
  for (const graph::Split split : graph::kSplits)
    if (name == graph::name(split)) return split;
  fail(ExitStatus::kUsage, "split '{}' is not known; it is one of: train, valid, test", name);
}

std::size_t thread_count(const Job& job, const comm::Communicator& comm) {
  if (job.run.threads > 0) return job.run.threads;
  const char* text = std::getenv("OMP_NUM_THREADS");  // NOLINT(concurrency-mt-unsafe): read once at start
  const long wanted = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  if (wanted > 0) return static_cast<std::size_t>(wanted);
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t mine =
      sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? static_cast<std::size_t>(CPU_COUNT(&allowed)) : cores;
  // A rank that is bound to some cores has them for itself; unbound ranks share all.
  const std::size_t sharing = mine < cores ? 1 : static_cast<std::size_t>(comm.ranks_on_host());
  return std::max<std::size_t>(1, mine / sharing);
}

RunContext open_context(comm::Communicator& comm, const Job& job, const Purpose& purpose) {
  comm.set_watchdog(std::chrono::seconds(job.run.watchdog_seconds));
  const std::size_t threads = thread_count(job, comm);
  std::unique_ptr<memory::Pool> pool;
  graph::Shard shard = comm::together(comm, [&] {
    const memory::Budget budget = memory::find_budget(job.run.memory, comm.ranks_on_host());
    pool = std::make_unique<memory::Pool>(budget.host_bytes);
    if (comm.is_root())
      log::info("{} rank{}, {} thread{} each, {} of memory each ({})", comm.size(), comm.size() == 1 ? "" : "s",
                threads, threads == 1 ? "" : "s", text::bytes(budget.host_bytes), budget.source);
    const std::uint64_t of_all = budget.host_bytes * static_cast<std::uint64_t>(comm.ranks_on_host());
    if (const std::uint64_t machine = memory::machine_bytes(); comm.is_root() && machine > 0 && of_all > machine)
      log::warning("the ranks of this host may use {} together ({}), and it has {}", text::bytes(of_all), budget.source,
                   text::bytes(machine));
    const std::filesystem::path folder = graph::partition_folder(job.data.graph, job.data.parts);
    const auto parts = static_cast<std::uint32_t>(job.data.parts);
    const graph::Placement places = purpose.placement ? *purpose.placement : graph::Placement(parts, comm.size());
    if (purpose.is_planned)
      require_fit(comm, {job, purpose.stage, places, budget.host_bytes, purpose.on_device, purpose.exported_rows});
    const graph::QueryPlace queries =
        graph::choose_query_place(job.memory.queries, folder, comm.rank(), places, budget.host_bytes);
    graph::Shard loaded =
        graph::load_shard(folder, comm.rank(), places, *pool, {queries, purpose.stage == plan::Stage::kTrain});
    check_same_graph(job.data.graph, loaded.manifest);
    return loaded;
  });
  const execution::HostExecutor host(*pool, kernels::cpu_backend(), execution::HostThreads(threads));
  return {job, std::move(pool), std::move(shard), host};
}

ServedModel open_model(comm::Communicator& comm, const Job& job, plan::Stage stage,
                       std::optional<std::uint64_t> epoch) {
  require_vectors(job, "this command compares vectors");
  if (const auto exported = find_exported(comm, job, epoch)) return open_exported(comm, job, stage, *exported);
  RunContext context = open_context(comm, job, {.stage = stage});
  model::RowMemory rows = train::row_formats(job);
  std::unique_ptr<model::TableStore> tables;
  if (needs_mapped_tables(comm, context, rows)) {
    tables = std::make_unique<checkpoint::MappedTables>();
    rows.store = tables.get();
  }
  model::Parameters parameters = comm::together(
      comm, [&] { return model::Parameters(context.shard, job.model, model::StateShape::kNone, *context.pool, rows); });
  const std::uint64_t loaded = load_checkpoint(comm, context, epoch, parameters);
  return {std::move(context), std::move(tables), std::move(parameters), loaded};
}

}  // namespace tessera::cli
