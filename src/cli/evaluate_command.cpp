// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/candidate_choice.hpp"
#include "cli/command.hpp"
#include "cli/device_context.hpp"
#include "cli/graph_model.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "evaluate/evaluation.hpp"
#include "evaluate/evaluator.hpp"
#include "evaluate/rank_file.hpp"
#include "evaluate/report.hpp"
#include "evaluate/scores_ranking.hpp"
#include "graph/graph_reader.hpp"
#include "search/setup.hpp"
#include "storage/string_blocks.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::cli {
namespace {

struct Options {
  std::string run;
  std::vector<std::string> overrides;
  std::string split = "test";
  std::optional<std::uint64_t> epoch;
  std::vector<std::string> by;
  std::string candidates;
  std::string condition;
  std::uint64_t max_triples = 0;
  std::uint64_t resamples = evaluate::BootstrapOptions{}.resamples;
  bool json = false;
  bool check = false;
  bool type_constrained = false;
};

std::vector<evaluate::Grouping> groupings(const std::vector<std::string>& names) {
  std::vector<evaluate::Grouping> found;
  for (const evaluate::Grouping grouping : evaluate::kGroupings)
    if (std::find(names.begin(), names.end(), evaluate::name(grouping)) != names.end()) found.push_back(grouping);
  return found;
}

evaluate::Options evaluation_options(const Job& job, const Options& options,
                                     const std::optional<search::RowMask>& chosen) {
  evaluate::Options evaluation;
  if (chosen) evaluation.among = &*chosen;
  evaluation.condition = options.condition;
  evaluation.show_progress = true;
  evaluation.max_triples = options.max_triples;
  if (!options.candidates.empty())
    evaluation.candidates = {options.candidates, job.data.graph,
                             graph::partition_folder(job.data.graph, job.data.parts)};
  return evaluation;
}

void print(const evaluate::Evaluation& evaluation, const Job& job, const Options& options) {
  evaluate::ReportOptions report{groupings(options.by), {}, options.candidates};
  if (std::find(report.by.begin(), report.by.end(), evaluate::Grouping::kRelation) != report.by.end()) {
    const storage::StringBlocks names = graph::GraphReader(job.data.graph).relation_names();
    for (std::uint64_t block = 0; block < names.block_count(); ++block)
      for (std::string& name : names.block(block)) report.relation_names.push_back(std::move(name));
  }
  const std::string text =
      options.json ? evaluate::to_json(evaluation, report) + "\n" : evaluate::to_text(evaluation, report);
  std::fputs(text.c_str(), stdout);
}

// Compares the MRR with the promise of the job file, for `--check`.
void check_expectation(const Job& job, graph::Split split, const evaluate::Metrics& metrics) {
  if (job.expect.mrr <= 0 || job.expect.split != graph::name(split))
    throw comm::AgreedError(
        ExitStatus::kUsage,
        fmt::format("the job file expects no MRR on the {} split: nothing to check", graph::name(split)));
  if (metrics.mrr() < job.expect.mrr - job.expect.tolerance)
    throw comm::AgreedError(
        ExitStatus::kBadData,
        fmt::format(
            "the {} MRR {:.4f} is below the {:.4f} that the job file expects{}", graph::name(split), metrics.mrr(),
            job.expect.mrr,
            job.expect.tolerance > 0 ? fmt::format(" by more than the tolerance of {}", job.expect.tolerance) : ""));
}

void check_options(const Options& options) {
  const bool are_some = !options.candidates.empty() || !options.condition.empty();
  if (options.check && are_some)
    throw comm::AgreedError(ExitStatus::kUsage,
                            "--check is about the rank among all entities; it does not go with --candidates");
  if (options.check && options.max_triples > 0)
    throw comm::AgreedError(ExitStatus::kUsage, "--check is about all triples; it does not go with --max-triples");
  if (options.type_constrained && are_some)
    throw comm::AgreedError(ExitStatus::kUsage,
                            "--type-constrained chooses the candidates; it goes with no --candidates");
  if (!options.candidates.empty() && !options.condition.empty())
    throw comm::AgreedError(ExitStatus::kUsage, "give either --candidates or --candidates-where");
}

/// A model that ranks, and the epoch of its checkpoint.
struct Ranked {
  evaluate::Ranking& ranking;
  search::Ranks ranks;
  std::uint64_t epoch = 0;
};

evaluate::Evaluation rank_and_print(const Ranked& ranked, const Job& job, const Options& options) {
  const graph::Split split = find_split(options.split);
  const evaluate::RankFileTarget target{job.run.folder,
                                        graph::partition_folder(job.data.graph, job.data.parts),
                                        ranked.epoch,
                                        {.resamples = options.resamples}};
  evaluate::Evaluation evaluation = evaluate::evaluate_to_file(ranked.ranking, ranked.ranks, split, target);
  comm::on_root(ranked.ranks.comm, [&] {
    print(evaluation, job, options);
    if (!evaluation.why_not_stored.empty()) fail(ExitStatus::kIo, "{}", evaluation.why_not_stored);
  });
  return evaluation;
}

void rank_split(const Ranked& ranked, const Job& job, const Options& options) {
  const evaluate::Evaluation evaluation = rank_and_print(ranked, job, options);
  if (options.check) check_expectation(job, evaluation.split, evaluation.metrics);
}

/// Ranks a second time, among the entities at an end of each relation.
void rank_constrained(const search::Setup& setup, std::uint64_t epoch, const Job& job, const Options& options) {
  evaluate::Options constrained;
  constrained.show_progress = true;
  constrained.max_triples = options.max_triples;
  constrained.type_constrained = true;
  constrained.condition = "the graph has it at that end of the relation";
  evaluate::Evaluator evaluator(setup, constrained, search::rank_on_host());
  comm::on_root(setup.comm, [&] {
    if (!options.json) std::fputs("\n", stdout);
  });
  (void)rank_and_print({evaluator, static_cast<const search::Ranks&>(setup), epoch}, job, options);
}

void evaluate_graph_model(comm::Communicator& comm, const Job& job, const Options& options) {
  evaluate::Options evaluation = evaluation_options(job, options, std::nullopt);
  if (!options.condition.empty()) require_vectors(job, "--candidates-where compares vectors");
  if (options.type_constrained) require_vectors(job, "--type-constrained compares vectors");
  GraphModel model = open_graph_model(comm, job, options.epoch);
  const search::Ranks ranks{comm, model.context.shard, model.context.host};
  evaluate::ScoresRanking ranking(ranks, *model.scores, evaluation);
  rank_split({ranking, ranks, model.epoch}, job, options);
}

void evaluate_run(comm::Communicator& comm, const Options& options) {
  check_options(options);
  const Job job = job_of_run(comm, options.run, options.overrides);
  if (is_graph_model(job)) return evaluate_graph_model(comm, job, options);
  // Listed candidates are compared one by one, those of a condition are copied, on the host.
  const bool are_some = !options.candidates.empty() || !options.condition.empty();
  const Devices devices = are_some ? Devices{} : open_devices(comm, job);
  ServedModel model = open_model(comm, job, plan::Stage::kEvaluate, options.epoch);
  const auto chosen = choose_entities(comm, model.context, {.prefix = "--candidates-", .where = options.condition});
  const search::Setup setup{{comm, model.context.shard, model.context.host}, model.parameters};
  const std::unique_ptr<memory::DevicePool> device_pool = open_device_pool(comm, devices);
  evaluate::Evaluator evaluator(setup, evaluation_options(job, options, chosen), make_ranker(device_pool.get(), job));
  rank_split({evaluator, static_cast<const search::Ranks&>(setup), model.epoch}, job, options);
  if (options.type_constrained) rank_constrained(setup, model.epoch, job, options);
}

}  // namespace

Command add_evaluate(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("run", options->run, "Run folder, the job file that made it, or an exported model").required();
  parser.add("overrides", options->overrides, "key=value for the job of the run, for example data.graph=FOLDER");
  parser.add("--split", options->split, "train, valid or test")
      .check(one_of({"train", "valid", "test"}))
      .show_default();
  parser.add("--epoch", options->epoch, "Checkpoint to rank (default: the best by validation, else the newest)")
      .check(whole_number(0));
  parser
      .add("--by", options->by,
           "Figures by relation, class (1-1, 1-N, N-1, N-N) or degree of the target, too; several with commas")
      .check(one_of({"relation", "class", "degree"}))
      .cut_at(',')
      .type_name("GROUPING");
  parser
      .add("--candidates", options->candidates,
           "Rank among the candidates listed in this file only (docs/formats/candidates.md): an extra, not the "
           "exact figure")
      .type_name("FILE");
  parser
      .add("--candidates-where", options->condition,
           "Rank among the entities for which this holds only, for example 'birth_year > 1950' "
           "(docs/user/attributes.md): an extra, not the exact figure")
      .type_name("CONDITION");
  parser.add_flag("--type-constrained", options->type_constrained,
                  "Rank a second time, among the entities that the graph has at that end of the relation");
  parser
      .add("--max-triples", options->max_triples,
           "Rank a sample of about this many triples of a large split, always the same ones; 0: all")
      .check(whole_number(0));
  parser.add("--resamples", options->resamples, "Bootstrap resamples for the interval of the MRR; 0: none")
      .check(whole_number(0, 1000000))
      .show_default();
  parser.add_flag("--json", options->json, "Print JSON");
  parser.add_flag("--check", options->check,
                  "Fail when the MRR is below expect.mrr - expect.tolerance of the job file");
  return {[options](comm::Communicator& comm) { evaluate_run(comm, *options); }, true};
}

}  // namespace tessera::cli
