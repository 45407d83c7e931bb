// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/device_context.hpp"
#include "cli/graph_model.hpp"
#include "cli/option_checks.hpp"
#include "cli/predict_options.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "predict/prediction_file.hpp"
#include "predict/predictor.hpp"
#include "predict/report.hpp"
#include "predict/scores_searcher.hpp"
#include "predict/searcher.hpp"
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

predict::QuestionSource question_source(const PredictOptions& options) {
  return options.queries.empty() ? predict::question_file(options.queries_file)
                                 : predict::typed_questions(options.queries);
}

void check_options(const PredictOptions& options) {
  const int sources =
      int{!options.queries.empty()} + int{!options.queries_file.empty()} + int{!options.relation.empty()};
  const auto refuse = [](const char* why) { throw comm::AgreedError(ExitStatus::kUsage, why); };
  if (sources != 1) refuse("give one of: --query SOURCE RELATION, --queries FILE, or --relation NAME for pairs");
  const bool asks_pairs = !options.relation.empty();
  if (asks_pairs && options.answers.is_given())
    refuse("--where, --type and --among are of the answers to queries; of pairs say --heads-type, --tails-where, ...");
  if (!asks_pairs && (options.heads.is_given() || options.tails.is_given()))
    refuse(
        "--heads-... and --tails-... choose among pairs, with --relation; of answers say --where, --type or --among");
  if (options.json && !options.output.format.empty()) refuse("give either --json or --format");
}

/// Where predictions go, on rank 0: standard output, a file of predictions, or a table.
class Sink {
 public:
  Sink(const PredictOptions& options, const predict::Predictor& predictor) : options_(options) {
    const bool has_format = options.output.is_given();
    format_ = has_format ? options.output.chosen() : tables::Format::kText;
    prints_ = options.json || !has_format;
    if (has_format && format_ == tables::Format::kHdf5)
      file_ =
          std::make_unique<predict::PredictionFile>(options.output.file, predictor.names(), predictor.question_count(),
                                                    predictor.most_answers(), predictor.shown());
    else if (has_format)
      table_ = options.output.open(predict::answer_columns(shown_names(predictor)));
  }

  void take(const predict::Prediction& prediction) {
    if (file_) file_->append(prediction);
    if (table_) predict::append_rows(*table_, prediction);
    if (!prints_) return;
    const std::string text = options_.json ? predict::to_json(prediction) + "\n" : predict::to_text(prediction);
    std::fputs(text.c_str(), stdout);
  }

  void finish(const predict::PredictionOrigin& origin) {
    if (table_) table_->finish();
    if (file_) file_->commit(origin);
  }

 private:
  static std::vector<std::string> shown_names(const predict::Predictor& predictor) {
    return predictor.shown() == nullptr ? std::vector<std::string>() : predictor.shown()->names();
  }

  const PredictOptions& options_;
  tables::Format format_;
  bool prints_;
  std::unique_ptr<predict::PredictionFile> file_;
  std::unique_ptr<tables::TableWriter> table_;
};

/// Conditions on the answers, for the file.
std::string condition_of(const EntityChoice& answers) {
  if (answers.type.empty()) return answers.where;
  const std::string type = fmt::format("type = {}", answers.type);
  return answers.where.empty() ? type : fmt::format("({}) and {}", answers.where, type);
}

/// The model that answers.
struct Answering {
  search::Ranks ranks;
  search::ModelLabel model;
  std::uint64_t epoch = 0;
  predict::MakeAnswerSearch make;
};

void answer(const Answering& answering, const Job& job, const PredictOptions& options) {
  comm::Communicator& comm = answering.ranks.comm;
  predict::PredictInput input{job.data.graph, graph::partition_folder(job.data.graph, job.data.parts)};
  comm::on_root(comm, [&] { input.show = predict::with_label(job.data.graph, options.show); });
  predict::Predictor predictor(answering.ranks, input, question_source(options), answering.make);
  std::unique_ptr<Sink> sink;
  comm::on_root(comm, [&] { sink = std::make_unique<Sink>(options, predictor); });
  const bool prints = options.output.file.empty() || options.json;
  const bool answers_on_terminal = prints && isatty(STDOUT_FILENO) == 1;  // they would tear the line apart
  Progress progress("answering", predictor.question_count(), "queries", !comm.is_root() || answers_on_terminal);
  std::uint64_t done = 0;
  predictor.run([&](const predict::Prediction& prediction) {
    sink->take(prediction);
    progress.update(++done);
  });
  progress.finish();
  comm::on_root(comm, [&] {
    sink->finish({answering.model.name, answering.model.dim, answering.epoch,
                  answering.ranks.shard.manifest.graph_digest, options.known(), condition_of(options.answers)});
    if (!options.output.file.empty())
      log::info("wrote the answers of {} queries to '{}'", predictor.question_count(), options.output.file);
  });
}

void answer_by_graph_model(comm::Communicator& comm, const Job& job, const PredictOptions& options) {
  if (options.answers.is_given()) require_vectors(job, "--where, --type and --among compare vectors");
  GraphModel model = open_graph_model(comm, job, options.epoch);
  const search::Ranks ranks{comm, model.context.shard, model.context.host};
  const auto make = [&] {
    return std::make_unique<predict::ScoresSearcher>(ranks, *model.scores,
                                                     graph::partition_folder(job.data.graph, job.data.parts),
                                                     predict::SearchOptions{options.k, options.known()});
  };
  answer({ranks, {model.scores->name(), model.scores->dim()}, model.epoch, make}, job, options);
}

void predict_answers(comm::Communicator& comm, const PredictOptions& options) {
  const Job job = job_of_run(comm, options.run, options.overrides);
  if (is_graph_model(job)) return answer_by_graph_model(comm, job, options);
  // Candidates of a condition are asked for one by one, on the host.
  const Devices devices = options.answers.is_given() ? Devices{} : open_devices(comm, job);
  ServedModel model = open_model(comm, job, plan::Stage::kPredict, options.epoch);
  const auto candidates = choose_entities(comm, model.context, options.answers);
  const search::Setup setup{{comm, model.context.shard, model.context.host}, model.parameters};
  const std::unique_ptr<memory::DevicePool> device_pool = open_device_pool(comm, devices);
  const predict::SearchOptions search{options.k, options.known(), candidates ? &*candidates : nullptr};
  const auto make = [&] {
    return std::make_unique<predict::Searcher>(setup, graph::partition_folder(job.data.graph, job.data.parts), search,
                                               make_answerer(device_pool.get(), job));
  };
  answer({static_cast<const search::Ranks&>(setup),
          {model.parameters.scorer().name(), model.parameters.dim()},
          model.epoch,
          make},
         job, options);
}

void predict_run(comm::Communicator& comm, const PredictOptions& options) {
  check_options(options);
  comm::on_root(comm, [&] {  // before anything is computed
    options.output.check();
  });
  if (options.relation.empty())
    predict_answers(comm, options);
  else
    predict_pairs(comm, options);
}

void add_questions(const Parser& parser, PredictOptions& options) {
  parser
      .add("--query", options.queries,
           "Two words, SOURCE RELATION, ask for tails; with a ? in three words: '?' RELATION TARGET asks for heads, "
           "HEAD '?' TAIL for relations. May be given several times")
      .words(2, 3)
      .type_name("NAME");
  parser.add("--queries", options.queries_file,
             "File with one such query per line, tabs between; - for standard input");
  parser
      .add("--relation", options.relation,
           "Find the best pairs of a head and a tail for this relation, over all of them")
      .type_name("NAME");
}

}  // namespace

Command add_predict(const Parser& parser) {
  const auto options = std::make_shared<PredictOptions>();
  parser.add("run", options->run, "Run folder, the job file that made it, or an exported model").required();
  parser.add("overrides", options->overrides, "key=value for the job of the run, for example data.graph=FOLDER");
  add_questions(parser, *options);
  parser.add("-k", options->k, "Answers per query, or pairs").check(whole_number(1)).show_default();
  parser.add_flag("--omit-known", options->omit_known,
                  "Leave out facts that the graph has already (default: mark them)");
  add_choice(parser, options->answers, "Answers");
  add_choice(parser, options->heads, "Heads of pairs");
  add_choice(parser, options->tails, "Tails of pairs");
  parser
      .add("--show", options->show,
           "Attributes to show beside answers; several with commas. Labels are shown if the graph has them")
      .cut_at(',')
      .type_name("NAME");
  add_table_output(parser, options->output);
  parser.add("--epoch", options->epoch, "Checkpoint to use (default: the best by validation, else the newest)")
      .check(whole_number(0));
  parser.add_flag("--json", options->json, "Print JSON, one line per query");
  parser.epilogue(
      "Examples:\n"
      "  tessera predict RUN --query dog.n.01 hypernym          what is a dog?\n"
      "  tessera predict RUN --query '?' hypernym dog.n.01      what are kinds of dogs?\n"
      "  tessera predict RUN --query dog.n.01 '?' cat.n.01      how are they related?\n"
      "  tessera predict RUN --queries queries.tsv -k 3 -o answers.csv\n"
      "  tessera predict RUN --query '?' born_in Paris --where 'birth_year > 1950' --show birth_year\n"
      "  tessera predict RUN --relation treats --heads-type Drug --tails-type Disease -k 100 --omit-known\n");
  return {[options](comm::Communicator& comm) { predict_run(comm, *options); }, true};
}

}  // namespace tessera::cli
