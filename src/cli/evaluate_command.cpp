// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/run_context.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "evaluate/evaluator.hpp"
#include "evaluate/rank_file.hpp"
#include "evaluate/report.hpp"
#include "model/checkpoint.hpp"
#include "model/setup.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

namespace tessera::cli {
namespace {

struct Options {
  std::string run;
  std::string split = "test";
  std::uint64_t epoch = 0;
  bool json = false;
  bool check = false;
};

graph::Split find_split(const std::string& name) {
  for (const graph::Split split : graph::kSplits)
    if (name == graph::name(split)) return split;
  fail(ExitStatus::kUsage, "split '{}' is not known; it is one of: train, valid, test", name);
}

// What the job file promised, for `--check`.
void check_expectation(const Job& job, graph::Split split, const evaluate::Metrics& metrics) {
  if (job.expect.mrr <= 0 || job.expect.split != graph::name(split))
    throw comm::AgreedError(
        ExitStatus::kUsage,
        fmt::format("the job file expects no MRR on the {} split: nothing to check", graph::name(split)));
  if (metrics.mrr() < job.expect.mrr)
    throw comm::AgreedError(ExitStatus::kBadData,
                            fmt::format("the {} MRR {:.4f} is below the {:.4f} that the job file expects",
                                        graph::name(split), metrics.mrr(), job.expect.mrr));
}

void evaluate_run(Environment& environment, const Options& options) {
  comm::Communicator& comm = environment.comm;
  const Job job = job_of_run(environment, options.run);
  RunContext context = open_context(environment, job);
  std::optional<model::Parameters> parameters;
  std::uint64_t epoch = options.epoch;
  comm::together(comm, [&] {
    parameters.emplace(context.shard, job.model, model::StateShape::kNone, *context.pool);
    const model::CheckpointStore checkpoints(job.run.folder);
    if (epoch == 0) epoch = checkpoints.best_or_newest();
    checkpoints.load(epoch, context.shard, *parameters);
  });
  if (environment.is_root()) log::info("checkpoint after epoch {} of '{}'", epoch, job.run.folder);
  const model::Setup setup{comm, context.shard, *parameters, context.backend, *context.pool, context.threads};
  evaluate::Options evaluation;
  evaluation.show_progress = true;
  evaluate::Evaluator evaluator(setup, evaluation);
  const graph::Split split = find_split(options.split);
  const evaluate::RankFileTarget target{job.run.folder, graph::partition_folder(job.data.graph, job.data.parts), epoch};
  const evaluate::Metrics metrics = evaluate::evaluate_to_file(evaluator, setup, split, target);
  if (environment.is_root()) {
    const std::string text = options.json ? evaluate::to_json(metrics, split, evaluation) + "\n"
                                          : evaluate::to_text(metrics, split, evaluation);
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }
  if (options.check) check_expectation(job, split, metrics);
}

}  // namespace

Command add_evaluate(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("run", options->run, "Run folder, or the job file that made it")->required();
  app.add_option("--split", options->split, "train, valid or test")
      ->check(CLI::IsMember({"train", "valid", "test"}))
      ->capture_default_str();
  app.add_option("--epoch", options->epoch, "Checkpoint to rank (default: the best by validation, else the newest)");
  app.add_flag("--json", options->json, "Print JSON");
  app.add_flag("--check", options->check, "Fail when the MRR is below the one that the job file expects");
  return {[options](Environment& environment) { evaluate_run(environment, *options); }, true};
}

}  // namespace tessera::cli
