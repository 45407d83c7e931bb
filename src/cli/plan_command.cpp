// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/model_file.hpp"
#include "cli/command.hpp"
#include "cli/graph_model.hpp"
#include "cli/option_checks.hpp"
#include "cli/planning.hpp"
#include "cli/recipe.hpp"
#include "cli/run_context.hpp"
#include "exports/export.hpp"
#include "model/row_formats.hpp"
#include "plan/report.hpp"
#include "train/loop/job_rules.hpp"
#include "train/loop/step_speed.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::cli {
namespace {

struct Options {
  std::string job_file;
  std::vector<std::string> overrides;
  std::optional<std::uint64_t> ranks;
  std::optional<std::uint64_t> nodes;
  std::optional<std::uint64_t> ranks_per_node;
  std::optional<std::uint64_t> entities;
  std::optional<std::uint64_t> relations;
  std::optional<std::uint64_t> triples;
  std::string rows;
  bool measure = false;
  bool json = false;
};

plan::Layout layout_of(const Options& options, std::uint64_t parts) {
  if (options.ranks && (options.nodes || options.ranks_per_node))
    fail(ExitStatus::kUsage, "give either --ranks, for ranks on one node, or --nodes and --ranks-per-node");
  const std::uint64_t per_node = options.ranks ? *options.ranks : options.ranks_per_node.value_or(1);
  const std::uint64_t nodes = options.nodes.value_or(1);
  if (per_node > parts || nodes > parts || per_node * nodes > parts)
    fail(ExitStatus::kUsage,
         "{} ranks cannot share {} parts: every rank needs one; plan with fewer ranks, or more "
         "data.parts",
         per_node * nodes, parts);
  return {static_cast<std::int32_t>(per_node * nodes), static_cast<std::int32_t>(per_node)};
}

std::optional<plan::Counts> counts_of(const Options& options) {
  if (!options.entities && !options.relations && !options.triples) return std::nullopt;
  return plan::Counts{options.entities.value_or(0), options.relations.value_or(0), options.triples.value_or(0)};
}

/// The slowest rank has about as many rows and queries as the largest share of the parts.
double epoch_seconds(const Job& job, const plan::Report& report, const std::vector<sampling::ItemCount>& items) {
  const graph::PartitionManifest& manifest = report.sizes.manifest;
  const std::uint64_t parts = manifest.part_count();
  const auto ranks = static_cast<std::uint64_t>(report.layout.ranks);
  const std::uint64_t most_parts = (parts + ranks - 1) / ranks;
  std::uint64_t visited = 0;
  for (const sampling::ItemCount& count : items) visited += count.items;
  const std::uint64_t rows = std::max<std::uint64_t>(1, manifest.entity_count * most_parts / parts);
  const double step =
      train::host_step_seconds(job, {rows, manifest.relation_count, report.layout.ranks}, report.threads);
  const std::uint64_t steps = (visited + job.train.batch_size - 1) / job.train.batch_size;
  return step * static_cast<double>(steps);
}

// The rows that evaluate and predict will read: of --rows, or of an exported model that is in the folder of the job.
std::optional<kernels::RowFormat> exported_rows(const Options& options, const Job& job) {
  if (!options.rows.empty()) return exports::serving_format(options.rows);
  if (!checkpoint::is_exported(job.run.folder)) return std::nullopt;
  return checkpoint::ModelFile(job.run.folder).row_format();
}

void run(const Options& options) {
  Job job = read_job(options.job_file, options.overrides);
  if (std::filesystem::exists(job.data.graph)) job = read_training_job(options.job_file, options.overrides);
  require_vectors(job, "'plan' counts their bytes");
  train::check_fit(job);
  const plan::Layout layout = layout_of(options, job.data.parts);
  const plan::GraphSizes sizes = plan::find_sizes(job, counts_of(options));
  const std::vector<sampling::ItemCount> items = plan::find_items(job, sizes);
  const plan::Node node = this_node();
  const auto rows = exported_rows(options, job);
  const plan::Planner planner(sizes, items, node, rows);
  plan::Report report{job, sizes, layout, node.threads(job, layout.ranks_per_node), {}, {}, {}, {}, {}, {}, {}};
  report.exchange = train::choose_exchange(job, sizes.manifest, job.run.device == "cuda").mode;
  if (rows) report.exported_rows = model::name(*rows);
  for (const plan::Stage stage : plan::kStages) report.stages.push_back(planner.plan(stage, job, layout));
  report.partition = plan::plan_partition(sizes.manifest.entity_count, sizes.manifest.query_count() / 2);
  report.smallest = planner.smallest(plan::kStages, job, layout);
  report.advice = planner.advise(plan::Stage::kTrain, job, layout);
  if (options.measure) {
    Job decided = job;
    decided.exchange.mode = report.exchange;
    report.epoch_seconds = epoch_seconds(decided, report, items);
  }
  const std::string text = options.json ? plan::to_json(report) + "\n" : plan::to_text(report);
  std::fputs(text.c_str(), stdout);
}

}  // namespace

Command add_plan(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("job", options->job_file, "Job file (TOML)").required();
  parser.add("overrides", options->overrides, "key=value, for example model.dim=256");
  parser.add("--ranks", options->ranks, "Ranks, all on a node like this one (default: 1)")
      .check(whole_number(1, kMostParts));
  parser.add("--nodes", options->nodes, "Nodes like this one (default: 1)").check(whole_number(1, kMostParts));
  parser.add("--ranks-per-node", options->ranks_per_node, "Ranks on each node (default: 1)")
      .check(whole_number(1, kMostParts));
  parser.add("--entities", options->entities, "Entities of a graph that is not there yet").check(whole_number(1));
  parser.add("--relations", options->relations, "Its relations").check(whole_number(1));
  parser.add("--triples", options->triples, "Its triples for training").check(whole_number(1));
  parser
      .add("--rows", options->rows,
           "Rows of the exported model that evaluate and predict will read (tessera export --rows)")
      .check(one_of(exports::serving_formats()));
  parser.add_flag("--measure", options->measure, "Measure how long this machine computes in an epoch, about a second");
  parser.add_flag("--json", options->json, "Print JSON");
  parser.epilogue(
      "Examples:\n"
      "  tessera plan job.toml --ranks 2\n"
      "  tessera plan job.toml --rows int8\n"
      "  tessera plan job.toml --nodes 4 --ranks-per-node 2 model.dim=256\n"
      "  tessera plan job.toml --entities 86054151 --relations 14824 --triples 304727650 data.parts=64\n"
      "docs/user/memory.md explains the table.\n");
  return {[options](comm::Communicator& /*comm*/) { run(*options); }, false};
}

}  // namespace tessera::cli
