// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/candidate_choice.hpp"
#include "cli/command.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "cli/table_output.hpp"
#include "comm/agreement.hpp"
#include "predict/answer_rows.hpp"
#include "predict/similar.hpp"
#include "search/setup.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tessera::cli {
namespace {

struct Options {
  std::string run;
  std::vector<std::string> names;
  std::vector<std::string> overrides;
  EntityChoice among;
  std::string metric = "cosine";
  std::uint64_t k = 10;
  std::vector<std::string> show;
  TableOutput output;
  std::optional<std::uint64_t> epoch;
};

/// The columns of the table; its third is named after the metric.
std::vector<tables::Column> columns_of(const std::string& metric, const std::vector<std::string>& shown) {
  std::vector<tables::Column> columns = {{"entity", tables::Type::kText, "name of the entity that was asked about"},
                                         {"similar", tables::Type::kText, "name of an entity near to it"},
                                         {metric, tables::Type::kFloat, metric + " of their rows"},
                                         {"rank", tables::Type::kWhole, "1 for the nearest"}};
  for (const std::string& name : shown) columns.push_back({name, tables::Type::kText, "attribute of the similar one"});
  return columns;
}

/// Names and attributes, on rank 0.
struct Named {
  std::unique_ptr<predict::Names> names;
  std::unique_ptr<predict::ShownAttributes> shown;
};

void write(const Options& options, const Named& named, const std::vector<predict::FoundPair>& pairs) {
  const std::vector<std::string> shown = named.shown ? named.shown->names() : std::vector<std::string>();
  const auto table = options.output.open(columns_of(options.metric, shown));
  const bool is_distance = predict::find_nearness(options.metric) == predict::Nearness::kDistance;
  std::uint64_t rank = 0;
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const predict::FoundPair& pair = pairs[i];
    rank = i > 0 && pair.head == before && rank < options.k ? rank + 1 : 1;
    before = pair.head;
    const std::string entity = named.names->entity(pair.head);
    tables::Row row = {entity, named.names->entity(pair.tail), is_distance ? 0 - pair.score : pair.score, rank};
    predict::add_shown(row, named.shown.get(), pair.tail);
    table->append(row);
  }
  table->finish();
}

void similar_run(comm::Communicator& comm, const Options& options) {
  comm::on_root(comm, [&] { options.output.check(); });
  const Job job = job_of_run(comm, options.run, options.overrides);
  const std::filesystem::path partition = graph::partition_folder(job.data.graph, job.data.parts);
  ServedModel model = open_model(comm, job, plan::Stage::kPredict, options.epoch);
  Named named;
  std::vector<EntityId> entities(options.names.size());
  comm::on_root(comm, [&] {
    named.names = std::make_unique<predict::Names>(job.data.graph, partition);
    for (std::size_t i = 0; i < entities.size(); ++i)
      entities[i] = named.names->global_id(named.names->find_entity(options.names[i], {"NAME", ExitStatus::kUsage}));
    named.shown = predict::show_with_label(job.data.graph, options.show, *model.context.pool);
  });
  comm.broadcast_values(std::span(entities), Rank(0));
  const auto among = choose_entities(comm, model.context, options.among);
  const search::Setup setup{{comm, model.context.shard, model.context.host}, model.parameters};
  const auto found = predict::find_similar(
      setup, partition, entities, {predict::find_nearness(options.metric), options.k, among ? &*among : nullptr});
  comm::on_root(comm, [&] { write(options, named, found); });
}

}  // namespace

Command add_similar(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("run", options->run, "Run folder, the job file that made it, or an exported model").required();
  parser.add("names", options->names, "Entities by name").required();
  parser.add("-k", options->k, "Similar entities of each").check(whole_number(1)).show_default();
  parser.add("--metric", options->metric, "cosine, dot or distance (Euclidean) of the rows of two entities")
      .check(one_of({"cosine", "dot", "distance"}))
      .show_default();
  add_choice(parser, options->among, "Similar ones");
  parser.add("--show", options->show, "Attributes to show beside; several with commas").cut_at(',').type_name("NAME");
  add_table_output(parser, options->output);
  parser.add("--set", options->overrides, "key=value for the job of the run, for example data.graph=FOLDER");
  parser.add("--epoch", options->epoch, "Checkpoint to use (default: the best by validation, else the newest)")
      .check(whole_number(0));
  parser.epilogue(
      "Examples:\n"
      "  tessera similar RUN dog.n.01 cat.n.01 -k 5\n"
      "  tessera similar RUN aspirin --type Drug --metric distance -o near.csv\n");
  return {[options](comm::Communicator& comm) { similar_run(comm, *options); }, true};
}

}  // namespace tessera::cli
