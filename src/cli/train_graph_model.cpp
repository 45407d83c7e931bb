// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/train_graph_model.hpp"

#include "cli/graph_model.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/provenance.hpp"
#include "core/text.hpp"
#include "evaluate/scores_ranking.hpp"
#include "foreign/import_ultra.hpp"
#include "propagation/training/run.hpp"
#include "train/loop/placement.hpp"
#include "train/loop/run_lock.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace tessera::cli {
namespace {

// The weights that a run starts from: a file, the folder of imported weights, or a run.
std::optional<propagation::Tensors> read_start(const std::string& from) {
  if (from.empty()) return std::nullopt;
  if (!std::filesystem::exists(from))
    fail(ExitStatus::kMissingInput, "'{}' does not exist; propagation.weights names weights of ULTRA", from);
  if (!std::filesystem::is_directory(from)) return foreign::read_ultra_tensors(from);
  const std::filesystem::path file = std::filesystem::path(from) / propagation::kUltraFile;
  if (std::filesystem::exists(file)) return propagation::read_tensors(file);
  const checkpoint::CheckpointStore checkpoints(from);
  return propagation::read_trained(checkpoints.open_manifest(checkpoints.best_sound())).tensors;
}

// Collective. Tells whether to validate.
bool wants_validation(comm::Communicator& comm, const RunContext& context) {
  if (context.job.validate.every == 0) return false;
  std::int64_t queries = 0;
  for (const graph::Part& part : context.shard.parts)
    queries += static_cast<std::int64_t>(part.queries(graph::Split::kValid).size());
  if (comm.reduce(queries, comm::Reduction::kSum) > 0) return true;
  if (context.job.validate.patience > 0 || context.job.schedule.name == "plateau")
    throw comm::AgreedError(ExitStatus::kUsage,
                            fmt::format("validate.patience and the schedule \"plateau\" need validations, but graph "
                                        "'{}' has no validation triples",
                                        context.job.data.graph));
  if (comm.is_root()) log::warning("graph '{}' has no validation triples: no validation", context.job.data.graph);
  return false;
}

// Collective. The model as it is now, ranked on the valid split.
train::Validation validate(const search::Ranks& ranks, const Job& job, const propagation::Run& run,
                           const std::shared_ptr<const propagation::MessageGraph>& graph) {
  const propagation::TrainedModel model = run.model();
  const auto scores = comm::together(
      ranks.comm, [&] { return propagation::open_trained(model, job.run.folder, model.relations, graph, ranks.host); });
  evaluate::Options options;
  options.filter = evaluate::Filter::kTrainValid;
  options.max_triples = job.validate.max_triples;
  evaluate::ScoresRanking ranking(ranks, *scores, options);
  const evaluate::Metrics metrics = ranking.run(graph::Split::kValid, {});
  train::Validation validation{metrics.mrr()};
  for (const std::uint32_t k : evaluate::kHitsAt)
    validation.hits.push_back({k, metrics.all[evaluate::TieRule::kRealistic].hits_at(k)});
  return validation;
}

void describe(const RunContext& context, const propagation::Learner& learner, const propagation::Training& training) {
  const Job& job = context.job;
  log::info("{}, dim {}, {} layers, {} parameters; {} queries per step, {} steps per epoch", job.model.name,
            job.model.dim, job.propagation.layers, text::with_thousands(learner.list().size()), job.train.batch_size,
            text::with_thousands(training.steps()));
  log::info("memory of this rank: {}; {} threads train", context.pool->describe(), training.workers());
}

}  // namespace

train::Outcome train_graph_model(comm::Communicator& comm, const Job& job, bool resume, const StopFlags& stop) {
  comm::together(comm, [&] { propagation::check_graph_job(job); });
  const auto shares = train::give_out_parts(comm, job, "cpu", [] { return 0.0; });
  RunContext context = open_context(comm, job, {.placement = shares.placement, .is_planned = false});
  std::optional<train::RunLock> lock;  // of rank 0, until the end: before anything is written
  comm::on_root(comm, [&] { lock.emplace(job.run.folder); });
  const auto graph = open_message_graph(comm, context);
  const auto start = comm::together(comm, [&] { return read_start(job.propagation.weights); });
  const auto relations = comm::together(comm, [&] { return propagation::relation_names(job.data.graph); });
  const auto learner = comm::together(comm, [&] { return propagation::make_learner(job, *graph, *context.pool); });
  const auto training = comm::together(comm, [&] {
    return std::make_unique<propagation::Training>(comm, *graph, *learner, job, *context.pool, context.host.workers());
  });
  const search::Ranks ranks{comm, context.shard, context.host};
  const bool validates = wants_validation(comm, context);
  propagation::Run run(
      {comm, context.shard, job, *learner, *training, relations, start ? &*start : nullptr, job.propagation.weights},
      resume);
  if (comm.is_root()) describe(context, *learner, *training);
  comm::on_root(comm, [&] {
    train::record_start(job.run.folder, run.position(), shares, {current_provenance(), job_id(), {}});
  });
  train::TrainerHooks hooks;
  hooks.stop = &stop.requested;
  if (lock) hooks.require_folder = [&lock] { lock->require_held(); };
  if (validates) hooks.validation = [&] { return validate(ranks, job, run, graph); };
  if (validates) hooks.validation_filter = evaluate::name(evaluate::Filter::kTrainValid);
  stop.can_save = true;
  train::Outcome outcome = run.run(hooks);
  stop.can_save = false;
  if (comm.is_root())
    log::info("peak memory of this rank: {} of {}", text::bytes(context.pool->peak_bytes()),
              text::bytes(context.pool->budget_bytes()));
  return outcome;
}

}  // namespace tessera::cli
