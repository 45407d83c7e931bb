// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/model_file.hpp"
#include "cli/command.hpp"
#include "cli/device_context.hpp"
#include "cli/graph_model.hpp"
#include "cli/planning.hpp"
#include "cli/recipe.hpp"
#include "cli/results_json.hpp"
#include "cli/run_context.hpp"
#include "cli/train_graph_model.hpp"
#include "cli/train_outcome.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/provenance.hpp"
#include "core/text.hpp"
#include "evaluate/evaluator.hpp"
#include "propagation/training/run.hpp"
#include "search/setup.hpp"
#include "storage/atomic.hpp"
#include "storage/checksum.hpp"
#include "train/loop/job_rules.hpp"
#include "train/loop/metrics_log.hpp"
#include "train/loop/placement.hpp"
#include "train/loop/run_lock.hpp"
#include "train/loop/step_speed.hpp"
#include "train/loop/trainer.hpp"
#include "train/rounds/rounds_engine.hpp"

#include <fmt/ranges.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tessera::cli {
namespace {

std::atomic<bool> stop_requested{false};
std::atomic<bool> can_save{false};  // training has begun and is not over

// Slurm warns with USR1 or USR2, people and systems stop with TERM. The second one is final.
void request_stop(int signal) {
  if (stop_requested.exchange(true)) std::_Exit(128 + signal);
}

void handle_stop_signals() {
  for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM}) std::signal(signal, request_stop);
}

// Ctrl-C saves what training has done; before that, and the second time, it ends the program at once.
bool stop_on_interrupt() {
  if (!can_save || stop_requested.exchange(true)) return false;
  log::warning("Ctrl-C: training ends after this segment and saves; press it again to end now, without saving");
  return true;
}

struct Options {
  std::string job_file;
  std::vector<std::string> overrides;
  bool resume = false;
  bool json = false;
};

evaluate::Options validation_options(const Job& job) {
  evaluate::Options options;
  options.filter = kValidationFilter;
  options.max_triples = job.validate.max_triples;
  return options;
}

// Collective. Tells whether to validate. A graph without validation triples has nothing to rank.
bool wants_validation(comm::Communicator& comm, const RunContext& context) {
  const Job& job = context.job;
  if (job.validate.every == 0) return false;
  std::int64_t queries = 0;
  for (const graph::Part& part : context.shard.parts)
    queries += static_cast<std::int64_t>(part.queries(graph::Split::kValid).size());
  if (comm.reduce(queries, comm::Reduction::kSum) > 0) return true;
  if (job.validate.patience > 0 || job.schedule.name == "plateau")
    throw comm::AgreedError(
        ExitStatus::kUsage,
        fmt::format("{} needs validations, but graph '{}' has no validation triples; set {}, or import the graph with "
                    "some",
                    job.validate.patience > 0 ? "validate.patience" : "schedule.name = \"plateau\"", job.data.graph,
                    job.validate.patience > 0 ? "validate.patience=0" : "another schedule"));
  if (comm.is_root()) log::warning("graph '{}' has no validation triples: no validation", job.data.graph);
  return false;
}

// Collective. The kernels that this rank trains with on its CPU, as run.products says.
const kernels::Backend& open_kernels(comm::Communicator& comm, const Job& job, const Devices& devices) {
  const kernels::Backend& found = comm::together(comm, [&]() -> std::reference_wrapper<const kernels::Backend> {
    return devices.own ? kernels::cpu_backend() : execution::find_host_kernels(job.run.products);
  });
  if (!comm.is_root() || &found == &kernels::cpu_backend()) return found;
  const double gain = train::products_gain(found, job.model.dim);
  log::info("products: bf16 (AVX512_BF16), {:.2f} times as fast as fp32 on this CPU; sums in fp32", gain);
  if (gain < 1) log::warning("products in bf16 are slower than in fp32 on this CPU: run.products=auto is faster");
  return found;
}

// Collective. Gives parts to ranks. Where ranks compute with different hardware, faster ranks get more parts.
train::PartsGivenOut give_out_parts(comm::Communicator& comm, const Job& job, const Devices& devices,
                                    const kernels::Backend& host_kernels) {
  const std::size_t threads = thread_count(job, comm);
  const train::StepShape shape{job.train.batch_size, job.model.dim};
  const std::string computes_with = devices.own ? fmt::format("{}, products {}", devices.own->device.properties().name,
                                                              execution::device_products(job.run.products))
                                                : fmt::format("cpu, {} thread{}{}", threads, threads == 1 ? "" : "s",
                                                              job.run.products == "bf16" ? ", products bf16" : "");
  train::PartsGivenOut shares = train::give_out_parts(comm, job, computes_with, [&] {
    return devices.own ? train::device_step_speed(*devices.own, job.run.products, shape)
                       : train::host_step_speed(host_kernels, threads, shape);
  });
  if (comm.is_root() && !train::has_equal_numbers(shares.placement))
    log::info("parts of each rank: {} ({})", train::placement_list(shares.placement), shares.why);
  return shares;
}

void describe(const RunContext& context, const model::Parameters& parameters, const train::Engine& engine) {
  const graph::PartitionManifest& manifest = context.shard.manifest;
  log::info("{} entities, {} relations, {} training triples in {} parts ({}, {:.1f} % cut)",
            text::with_thousands(manifest.entity_count), text::with_thousands(manifest.relation_count),
            text::with_thousands(manifest.query_count() / 2), manifest.part_count(), manifest.method,
            100 * graph::cut_fraction(manifest.figures));
  log::info("{}, dim {}; {}; {} queries per step", parameters.scorer().name(), parameters.dim(), engine.description(),
            context.job.train.batch_size);
  log::info("memory of this rank: {}", context.pool->describe());
}

void describe_peaks(const RunContext& context, const memory::DevicePool* device_pool,
                    const std::optional<memory::DeviceUse>& device_use) {
  log::info("peak memory of this rank: {} of {}; {}", text::bytes(context.pool->peak_bytes()),
            text::bytes(context.pool->budget_bytes()), context.pool->describe());
  if (!device_use) return;
  log::info("peak device memory of this rank: {} of {}; {}", text::bytes(device_pool->peak_bytes()),
            text::bytes(device_pool->budget_bytes()), device_pool->describe());
  log::info("device memory of this rank: {}", memory::describe(*device_use));
}

// What a job leaves to the program stays as it was decided when the run started: this machine may suggest another
// value.
void keep_decisions_of_run(Job& job) {
  const std::filesystem::path file = std::filesystem::path(job.run.folder) / kJobFile;
  if (!std::filesystem::exists(file)) return;
  const Job run = read_job(file);
  if (job.exchange.mode == "auto") job.exchange.mode = run.exchange.mode;
  if (job.memory.resident_parts == "auto") job.memory.resident_parts = run.memory.resident_parts;
  if (job.train.segment_steps == 0) job.train.segment_steps = run.train.segment_steps;
}

// Known before the work starts, not after the first checkpoint.
void require_writable(const comm::Communicator& comm, const Job& job) {
  if (comm.rank_on_host() != 0) return;
  if (comm.is_root()) storage::require_writable(job.run.folder);
  if (!job.memory.folder.empty()) storage::require_writable(job.memory.folder);
}

// Collective. Reads the job and refuses one that cannot be trained.
Job open_training_job(comm::Communicator& comm, const Options& options) {
  Job job = comm::together(comm, [&] { return read_training_job(options.job_file, options.overrides); });
  comm::on_root(comm, [&] {
    const std::vector<std::string> recipe = recipe_of(options.job_file, options.overrides);
    if (!recipe.empty())
      log::info("'{}' leaves the model and its training to the program: {}", options.job_file, fmt::join(recipe, " "));
  });
  comm::together(comm, [&] {
    if (checkpoint::is_exported(job.run.folder))
      fail(ExitStatus::kUsage, "'{}' is an exported model: it cannot be trained on; continue the run that it is from",
           job.run.folder);
    if (is_graph_model(job)) return require_writable(comm, job);
    if (options.resume) keep_decisions_of_run(job);
    if (job.memory.resident_parts != "all" && job.memory.queries == "auto") job.memory.queries = "stream";
    train::check_fit(job);
    require_writable(comm, job);
    if (job.memory.resident_parts != "auto") train::require_resident_parts(job, comm.size());
  });
  const std::vector<std::string> idle =
      is_graph_model(job) ? propagation::idle_graph_settings(job) : train::idle_settings(job);
  if (comm.is_root() && !idle.empty()) log::warning("without effect in this job: {}", fmt::join(idle, ", "));
  return job;
}

// Decides what "auto" means for the exchange.
void choose_exchange(const comm::Communicator& comm, Job& job, const RunContext& context, const Devices& devices) {
  const train::ExchangeChoice choice = train::choose_exchange(job, context.shard.manifest, devices.ranks > 0);
  if (comm.is_root() && choice.mode != job.exchange.mode) log::info("exchange: {} ({})", choice.mode, choice.reason);
  job.exchange.mode = choice.mode;
}

// Collective. Decides what "auto" means for the parts in memory. The smallest budget decides for all ranks.
void choose_resident_parts(comm::Communicator& comm, Job& job, const RunContext& context) {
  if (job.memory.resident_parts != "auto") return;
  const std::uint64_t room = context.pool->budget_bytes() - context.pool->used_bytes();
  const auto smallest = static_cast<std::uint64_t>(comm.reduce(static_cast<std::int64_t>(room), comm::Reduction::kMin));
  job.memory.resident_parts = comm::together(
      comm, [&] { return train::choose_resident_parts(job, context.shard.manifest, comm.size(), smallest / 4 * 3); });
  if (comm.is_root())
    log::info("memory.resident_parts: {} ({} of memory are free for rows, states and steps)", job.memory.resident_parts,
              text::bytes(smallest));
}

// Decides how long segments are. With rounds, a round is a segment.
void choose_segments(Job& job, const RunContext& context) {
  if (job.train.segment_steps == 0 && resident_parts(job) == 0)
    job.train.segment_steps = train::segment_steps(job, context.shard.manifest);
}

// A folder that no other run has: in memory.folder, else beside the run folder.
std::filesystem::path working_folder(const Job& job) {
  const std::filesystem::path run = std::filesystem::absolute(job.run.folder).lexically_normal();
  if (job.memory.folder.empty()) return run.string() + ".working";
  const std::string& name = run.native();
  const std::string digest = storage::hash_bytes(std::as_bytes(std::span(name.data(), name.size()))).hex();
  return std::filesystem::path(job.memory.folder) /
         fmt::format("{}-{}.working", run.filename().string(), digest.substr(0, 8));
}

// Collective. The tables of a job whose rows do not all fit into memory; null for others.
std::unique_ptr<train::WorkingCopy> make_working_copy(comm::Communicator& comm, const Job& job) {
  if (resident_parts(job) == 0) return nullptr;
  return comm::together(comm, [&] { return std::make_unique<train::WorkingCopy>(working_folder(job)); });
}

model::Parameters make_parameters(const RunContext& context, const Job& job, train::WorkingCopy* tables) {
  model::RowMemory rows = tables != nullptr ? train::row_formats(job) : train::row_memory(context.shard, job);
  rows.store = tables;
  model::Parameters parameters(context.shard, job.model, model::state_shape(job.optimiser.name), *context.pool, rows);
  if (job.average.decay > 0) parameters.keep_average(context.shard, job.model, *context.pool);
  return parameters;
}

// Collective.
std::unique_ptr<train::Engine> make_engine(const train::EngineSetup& setup, train::WorkingCopy* tables) {
  if (tables == nullptr) return comm::together(setup.comm, [&] { return train::make_engine(setup); });
  const Job::Data& data = setup.job.data;
  return std::make_unique<train::RoundsEngine>(setup, *tables, graph::partition_folder(data.graph, data.parts));
}

// Collective. The evaluator of validations; null without validations.
std::unique_ptr<evaluate::Evaluator> make_evaluator(const search::Setup& setup, const RunContext& context,
                                                    const train::EngineSetup& engine_setup,
                                                    const train::Engine& engine) {
  if (!wants_validation(setup.comm, context)) return nullptr;
  // Only the host has averages of rows.
  std::vector<kernels::ConstDeviceMatrix> borrowed;
  if (engine_setup.parameters.average() == nullptr) borrowed = engine.device_rows();
  return std::make_unique<evaluate::Evaluator>(
      setup, validation_options(engine_setup.job),
      make_ranker(engine_setup.device_pool, engine_setup.job, std::move(borrowed)));
}

// The arguments outlive the hooks.
train::TrainerHooks make_hooks(const Devices& devices, const std::optional<DeviceMemory>& device_memory,
                               const comm::DeviceCommunicator* links, evaluate::Evaluator* evaluator,
                               const std::optional<train::RunLock>& lock) {
  train::TrainerHooks hooks;
  if (lock) hooks.require_folder = [&lock] { lock->require_held(); };
  if (devices.ranks > 0) hooks.device_use = [&] { return device_memory ? device_memory->use() : memory::DeviceUse{}; };
  if (links != nullptr) hooks.device_bytes_sent = [links] { return links->bytes_sent(); };
  hooks.stop = &stop_requested;
  if (evaluator == nullptr) return hooks;
  hooks.validation = [evaluator] {
    const evaluate::Metrics metrics = evaluator->run(graph::Split::kValid);
    train::Validation validation{metrics.mrr()};
    for (const std::uint32_t k : evaluate::kHitsAt)
      validation.hits.push_back({k, metrics.all[evaluate::TieRule::kRealistic].hits_at(k)});
    return validation;
  };
  hooks.validation_filter = evaluate::name(kValidationFilter);
  return hooks;
}

// Collective.
void end_stopped(const train::Outcome& outcome) {
  if (outcome.stopped_on_request)
    throw comm::AgreedError(ExitStatus::kStopped, fmt::format("stopped on request after {}; continue with --resume",
                                                              in_words(outcome.state)));
}

// Collective.
void record_start(comm::Communicator& comm, const Starting& starting, const std::vector<sampling::ItemCount>& items,
                  const train::PartsGivenOut& shares, const checkpoint::Position& after) {
  const auto planned = planned_bytes(comm, starting, items);
  comm::on_root(comm, [&] {
    train::record_start(starting.job.run.folder, after, shares, {current_provenance(), job_id(), planned});
  });
}

void train(comm::Communicator& comm, const Options& options) {
  handle_stop_signals();  // first of all: a warning that comes while loading must not kill the rank
  Job job = open_training_job(comm, options);
  if (is_graph_model(job)) {
    const train::Outcome outcome = train_graph_model(comm, job, options.resume, {stop_requested, can_save});
    if (comm.is_root()) report_outcome(outcome, job, std::nullopt, options.json);
    return end_stopped(outcome);
  }
  const Devices devices = open_devices(comm, job, train::against_device(job));
  comm::together(comm, [&] { train::check_fit_of_ranks(job, devices.ranks, comm.size()); });
  const std::unique_ptr<comm::DeviceCommunicator> links = link_devices(comm, job, devices);
  const kernels::Backend& host_kernels = open_kernels(comm, job, devices);
  const train::PartsGivenOut shares = give_out_parts(comm, job, devices, host_kernels);
  RunContext context = open_context(comm, job, {plan::Stage::kTrain, shares.placement, devices.ranks > 0});
  std::optional<train::RunLock> lock;  // of rank 0, until the end: before anything is written
  comm::on_root(comm, [&] { lock.emplace(job.run.folder); });
  choose_exchange(comm, job, context, devices);
  const auto items = sampling::count_items(comm, context.shard, job);
  if (job.train.group_queries && devices.ranks == 0)  // only now are the items known
    comm::together(comm, [&] {
      require_fit(comm, {job, plan::Stage::kTrain, shares.placement, context.pool->budget_bytes()}, items);
    });
  const std::unique_ptr<memory::DevicePool> device_pool = open_device_pool(comm, devices);
  choose_resident_parts(comm, job, context);
  choose_segments(job, context);
  const std::unique_ptr<train::WorkingCopy> tables = make_working_copy(comm, job);
  model::Parameters parameters = comm::together(comm, [&] { return make_parameters(context, job, tables.get()); });
  const train::EngineSetup engine_setup{comm,         context.shard, job,   parameters,        context.host.workers(),
                                        host_kernels, *context.pool, items, device_pool.get(), links.get(),
                                        devices.ranks};
  const search::Setup setup{{comm, context.shard, context.host}, parameters.served()};
  std::unique_ptr<evaluate::Evaluator> evaluator;  // goes after the engine, which gives up transfers before it waits
  const std::unique_ptr<train::Engine> engine = make_engine(engine_setup, tables.get());
  evaluator = make_evaluator(setup, context, engine_setup, *engine);
  train::Trainer trainer(engine_setup, *engine, options.resume);
  if (comm.is_root()) describe(context, parameters, *engine);
  const std::optional<DeviceMemory> device_memory = plan_device_memory(comm, devices, device_pool.get());
  record_start(comm,
               {job, plan::Stage::kTrain, shares.placement, context.pool->budget_bytes(), devices.own.has_value()},
               items, shares, trainer.position());
  can_save = true;
  const train::Outcome outcome = trainer.run(make_hooks(devices, device_memory, links.get(), evaluator.get(), lock));
  can_save = false;
  if (comm.is_root()) {
    const auto device_use = device_memory ? std::optional(device_memory->use()) : std::nullopt;
    describe_peaks(context, device_pool.get(), device_use);
    report_outcome(outcome, job, device_use, options.json);
  }
  end_stopped(outcome);
}

}  // namespace

Command add_train(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("job", options->job_file, "Job file (TOML)").required();
  parser.add("overrides", options->overrides, "key=value, for example model.dim=256");
  parser.add_flag("--resume", options->resume,
                  "Continue from the newest checkpoint of the run folder, if there is one");
  parser.add_flag("--json", options->json, "Print the outcome as JSON");
  parser.epilogue(
      "'tessera train --help KEY' explains a key, a table of keys ('negatives') or a word ('KvsAll').\n"
      "Keys of a job file and their defaults:\n\n" +
      to_toml(Job{}));
  return {[options](comm::Communicator& comm) { train(comm, *options); }, true, Interrupts::kOwnTerm,
          stop_on_interrupt};
}

}  // namespace tessera::cli
