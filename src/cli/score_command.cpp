// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/device_context.hpp"
#include "cli/graph_model.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "cli/table_output.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "evaluate/evaluator.hpp"
#include "evaluate/scores_ranking.hpp"
#include "evaluate/triple_scores.hpp"
#include "predict/answer_rows.hpp"
#include "predict/calibration.hpp"
#include "predict/names.hpp"
#include "predict/triple_list.hpp"
#include "search/setup.hpp"
#include "tables/table.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tessera::cli {
namespace {

struct Options {
  std::string run;
  std::string triples;
  std::vector<std::string> overrides;
  std::vector<std::string> show;
  TableOutput output;
  std::optional<std::uint64_t> epoch;
  bool no_ranks = false;
};

constexpr std::uint64_t kTriplesAtOnce = std::uint64_t{1} << 18U;

std::vector<tables::Column> columns_of(bool has_ranks, bool is_calibrated, const predict::ShownAttributes* shown) {
  std::vector<tables::Column> columns = {{"head", tables::Type::kText, "name of the head"},
                                         {"relation", tables::Type::kText, "name of the relation"},
                                         {"tail", tables::Type::kText, "name of the tail"},
                                         {"score", tables::Type::kFloat, "score as (head, relation, ?)"}};
  if (is_calibrated) columns.push_back({"probability", tables::Type::kDouble, "that the triple is true, calibrated"});
  if (has_ranks) {
    columns.push_back(
        {"tail_rank", tables::Type::kDouble, "rank of the tail, known answers left out; ties count half"});
    columns.push_back({"head_rank", tables::Type::kDouble, "rank of the head, likewise"});
  }
  columns.push_back({"known", tables::Type::kText, "split that has the triple; empty: none"});
  if (shown != nullptr) {
    const std::vector<tables::Column> of_ends = predict::end_columns(shown->names());
    columns.insert(columns.end(), of_ends.begin(), of_ends.end());
  }
  return columns;
}

/// Triples by name that are read, scored and written on rank 0, some at a time.
class Scoring {
 public:
  Scoring(const Options& options, const Job& job, std::uint64_t epoch, memory::Pool& pool)
      : options_(options),
        names_(job.data.graph, graph::partition_folder(job.data.graph, job.data.parts)),
        calibration_(predict::Calibration::find(job.run.folder, epoch)),
        list_(options.triples, names_),
        shown_(predict::show_with_label(job.data.graph, options.show, pool)),
        table_(options.output.open(columns_of(!options.no_ranks, calibration_.has_value(), shown_.get()))) {
    if (calibration_)
      log::info("probabilities are for lists of which a share of {} is true (tessera calibrate --base-rate)",
                calibration_->base_rate());
  }

  void next(std::vector<Triple>& triples) { list_.next(kTriplesAtOnce, triples); }

  void take(const std::vector<evaluate::TripleScore>& scores) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const evaluate::TripleScore& score = scores[i];
      const predict::NamedTriple& named = list_.names()[i];
      tables::Row row = {named.head, named.relation, named.tail, score.tail_score};
      if (calibration_) row.emplace_back(calibration_->probability(score.tail_score));
      if (!options_.no_ranks) {
        row.emplace_back(score.tail_rank);
        row.emplace_back(score.head_rank);
      }
      row.push_back(predict::known_cell(predict::known_in(score.known_in)));
      predict::add_shown(row, shown_.get(), named.head_id);
      predict::add_shown(row, shown_.get(), named.tail_id);
      table_->append(row);
    }
    count_ += scores.size();
  }

  void finish() {
    if (count_ == 0) fail(ExitStatus::kBadData, "'{}' has no triples", options_.triples);
    table_->finish();
    if (!options_.output.file.empty())
      log::info("wrote {} triples to '{}'", text::with_thousands(count_), options_.output.file);
  }

 private:
  const Options& options_;
  predict::Names names_;
  std::optional<predict::Calibration> calibration_;
  predict::TripleList list_;
  std::unique_ptr<predict::ShownAttributes> shown_;
  std::unique_ptr<tables::TableWriter> table_;
  std::uint64_t count_ = 0;
};

evaluate::Options ranking_options(const Options& options) {
  evaluate::Options ranking;
  ranking.scores_only = options.no_ranks;
  ranking.show_progress = true;
  return ranking;
}

void score_list(evaluate::Ranking& ranking, const search::Ranks& ranks, Scoring* scoring) {
  for (;;) {
    std::vector<Triple> triples;
    comm::on_root(ranks.comm, [&] { scoring->next(triples); });
    std::uint64_t count = triples.size();
    ranks.comm.broadcast_values(std::span(&count, 1), Rank(0));
    if (count == 0) break;
    triples.resize(count);
    ranks.comm.broadcast_values(std::span(triples), Rank(0));
    const std::vector<evaluate::TripleScore> scores = evaluate::score_triples(ranking, ranks, triples);
    comm::on_root(ranks.comm, [&] { scoring->take(scores); });
  }
  comm::on_root(ranks.comm, [&] { scoring->finish(); });
}

/// Collective. On rank 0.
std::unique_ptr<Scoring> open_list(comm::Communicator& comm, const Options& options, const RunContext& context,
                                   std::uint64_t epoch) {
  std::unique_ptr<Scoring> scoring;
  comm::on_root(comm, [&] { scoring = std::make_unique<Scoring>(options, context.job, epoch, *context.pool); });
  return scoring;
}

void score_by_graph_model(comm::Communicator& comm, const Job& job, const Options& options) {
  GraphModel model = open_graph_model(comm, job, options.epoch);
  const search::Ranks ranks{comm, model.context.shard, model.context.host};
  const std::unique_ptr<Scoring> scoring = open_list(comm, options, model.context, model.epoch);
  evaluate::ScoresRanking ranking(ranks, *model.scores, ranking_options(options));
  score_list(ranking, ranks, scoring.get());
}

void score_run(comm::Communicator& comm, const Options& options) {
  comm::on_root(comm, [&] { options.output.check(); });
  const Job job = job_of_run(comm, options.run, options.overrides);
  if (is_graph_model(job)) return score_by_graph_model(comm, job, options);
  const Devices devices = options.no_ranks ? Devices{} : open_devices(comm, job);
  ServedModel model = open_model(comm, job, plan::Stage::kEvaluate, options.epoch);
  const search::Setup setup{{comm, model.context.shard, model.context.host}, model.parameters};
  const std::unique_ptr<memory::DevicePool> device_pool = open_device_pool(comm, devices);
  const std::unique_ptr<Scoring> scoring = open_list(comm, options, model.context, model.epoch);
  evaluate::Evaluator evaluator(setup, ranking_options(options), make_ranker(device_pool.get(), job));
  score_list(evaluator, setup, scoring.get());
}

}  // namespace

Command add_score(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("run", options->run, "Run folder, the job file that made it, or an exported model").required();
  parser
      .add("triples", options->triples,
           "File of triples: head, relation, tail with tabs between, or with a header, such as 'predict -o FILE.tsv' "
           "writes; - for standard input")
      .required();
  parser.add("overrides", options->overrides, "key=value for the job of the run, for example data.graph=FOLDER");
  parser.add_flag("--no-ranks", options->no_ranks, "Scores only, which takes much less time");
  parser.add("--show", options->show, "Attributes of head and tail to show beside; several with commas")
      .cut_at(',')
      .type_name("NAME");
  add_table_output(parser, options->output);
  parser.add("--epoch", options->epoch, "Checkpoint to use (default: the best by validation, else the newest)")
      .check(whole_number(0));
  parser.epilogue(
      "The score is that of (head, relation, ?) with the tail. Ranks are among all entities, known answers left out.\n"
      "After 'tessera calibrate RUN' the table has a probability, too. Labels are shown where the graph has them.\n"
      "Examples:\n"
      "  tessera score RUN triples.tsv -o scores.csv\n"
      "  printf 'dog.n.01\\thypernym\\tcat.n.01\\n' | tessera score RUN -\n");
  return {[options](comm::Communicator& comm) { score_run(comm, *options); }, true};
}

}  // namespace tessera::cli
