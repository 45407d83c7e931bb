// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/candidate_choice.hpp"
#include "cli/command.hpp"
#include "cli/device_context.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "predict/prediction_file.hpp"
#include "predict/predictor.hpp"
#include "predict/report.hpp"
#include "search/setup.hpp"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::cli {
namespace {

struct Options {
  std::string run;
  std::vector<std::string> overrides;
  std::vector<std::string> query;
  std::string queries_file;
  std::string output;
  std::optional<std::uint64_t> epoch;
  std::string where;
  std::vector<std::string> show;
  bool omit_known = false;
  bool json = false;
  predict::SearchOptions search;
};

predict::QuestionSource question_source(const Options& options) {
  if (options.query.empty() == options.queries_file.empty())
    throw comm::AgreedError(ExitStatus::kUsage, "give either --query SOURCE RELATION or --queries FILE");
  return options.query.empty() ? predict::question_file(options.queries_file) : predict::typed_question(options.query);
}

void print(const predict::Prediction& prediction, bool json) {
  const std::string text = json ? predict::to_json(prediction) + "\n" : predict::to_text(prediction);
  std::fputs(text.c_str(), stdout);
}

// Before anything is computed. The file itself is made, and its space found, when the number of answers is known.
void check_output(const std::filesystem::path& output) {
  const std::filesystem::path folder = output.has_parent_path() ? output.parent_path() : ".";
  if (std::filesystem::is_directory(output) || !output.has_filename())
    fail(ExitStatus::kUsage, "'{}' is a folder; --output names a file", output.string());
  if (!std::filesystem::is_directory(folder))
    fail(ExitStatus::kMissingInput, "folder '{}' for the output does not exist", folder.string());
}

void predict_run(comm::Communicator& comm, const Options& options) {
  const predict::QuestionSource questions = question_source(options);
  comm::on_root(comm, [&] {
    if (!options.output.empty()) check_output(options.output);
  });
  const Job job = job_of_run(comm, options.run, options.overrides);
  // Candidates of a condition are asked for one by one, on the host.
  const Devices devices = options.where.empty() ? open_devices(comm, job) : Devices{};
  ServedModel model = open_model(comm, job, plan::Stage::kPredict, options.epoch);
  const auto candidates = choose_candidates(comm, model.context, "--where", options.where);
  const search::Setup setup{comm, model.context.shard, model.parameters, model.context.host};
  const std::unique_ptr<memory::DevicePool> device_pool = open_device_pool(comm, devices);
  predict::SearchOptions search = options.search;
  search.known = options.omit_known ? predict::KnownAnswers::kOmit : predict::KnownAnswers::kMark;
  search.among = candidates ? &*candidates : nullptr;
  predict::Predictor predictor(setup,
                               {job.data.graph, graph::partition_folder(job.data.graph, job.data.parts), options.show},
                               questions, search, make_answerer(device_pool.get(), job));
  std::unique_ptr<predict::PredictionFile> file;
  comm::on_root(comm, [&] {
    if (!options.output.empty())
      file = std::make_unique<predict::PredictionFile>(options.output, predictor.names(), predictor.question_count(),
                                                       predictor.most_answers(), predictor.shown());
  });
  const bool prints = options.output.empty() || options.json;
  const bool answers_on_terminal = prints && isatty(STDOUT_FILENO) == 1;  // they would tear the line apart
  Progress progress("answering", predictor.question_count(), "queries", !comm.is_root() || answers_on_terminal);
  std::uint64_t done = 0;
  predictor.run([&](const predict::Prediction& prediction) {
    if (file) file->append(prediction);
    if (prints) print(prediction, options.json);
    progress.update(++done);
  });
  progress.finish();
  comm::on_root(comm, [&] {
    if (!file) return;
    file->commit({model.parameters.scorer().name(), model.parameters.dim(), model.epoch,
                  model.context.shard.manifest.graph_digest, search.known, options.where});
    log::info("wrote the answers of {} queries to '{}'", predictor.question_count(), options.output);
  });
}

}  // namespace

Command add_predict(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("run", options->run, "Run folder, or the job file that made it").required();
  parser.add("overrides", options->overrides, "key=value for the job of the run, for example data.graph=FOLDER");
  parser
      .add("--query", options->query,
           "Two words, SOURCE RELATION, ask for tails; three, '?' RELATION TARGET, ask for heads")
      .words(2, 3)
      .type_name("NAME");
  parser.add("--queries", options->queries_file,
             "File with one such query per line, tabs between; '-' is standard input");
  parser.add("-k", options->search.k, "Answers per query").check(whole_number(1)).show_default();
  parser.add_flag("--omit-known", options->omit_known,
                  "Leave out facts that the graph has already (default: mark them)");
  parser
      .add("--where", options->where,
           "Answers are entities for which this holds, for example 'birth_year > 1950 and type = \"Person\"' "
           "(docs/user/attributes.md)")
      .type_name("CONDITION");
  parser.add("--show", options->show, "Attributes to show beside answers; several with commas")
      .cut_at(',')
      .type_name("NAME");
  parser.add("-o,--output", options->output, "Write HDF5 (docs/formats/predictions.md) instead of printing")
      .check(not_empty());
  parser.add("--epoch", options->epoch, "Checkpoint to use (default: the best by validation, else the newest)")
      .check(whole_number(0));
  parser.add_flag("--json", options->json, "Print JSON, one line per query");
  parser.epilogue(
      "Examples:\n"
      "  tessera predict RUN --query dog.n.01 hypernym          what is a dog?\n"
      "  tessera predict RUN --query '?' hypernym dog.n.01      what are kinds of dogs?\n"
      "  tessera predict RUN --queries queries.tsv -k 3 --json\n"
      "  tessera predict RUN --query '?' born_in Paris --where 'birth_year > 1950' --show birth_year\n");
  return {[options](comm::Communicator& comm) { predict_run(comm, *options); }, true};
}

}  // namespace tessera::cli
