// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/graph_model.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "evaluate/evaluator.hpp"
#include "evaluate/false_triples.hpp"
#include "evaluate/scores_ranking.hpp"
#include "evaluate/triple_scores.hpp"
#include "predict/calibration.hpp"
#include "search/setup.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace tessera::cli {
namespace {

struct Options {
  std::string run;
  std::vector<std::string> overrides;
  std::string method = "platt";
  double base_rate = 0.5;
  std::uint64_t negatives = 10;
  std::uint64_t max_triples = 100000;
  std::optional<std::uint64_t> epoch;
};

constexpr std::uint64_t kTriplesAtOnce = std::uint64_t{1} << 18U;

/// What makes examples: the triples of a split and as many false ones as asked for, scored. False ones that the graph
/// knows are dropped.
class Examples {
 public:
  Examples(const search::Ranks& ranks, evaluate::Ranking& ranking, std::uint64_t negatives, std::uint64_t seed)
      : ranks_(ranks), ranking_(ranking), negatives_(negatives), seed_(seed) {}

  /// Collective. On rank 0.
  std::vector<predict::Example> of(graph::Split split) {
    const graph::PartitionManifest& manifest = ranks_.shard.manifest;
    std::vector<predict::Example> examples;
    const std::vector<Triple> all = evaluate::triples_of(ranking_, split, manifest.relation_count);
    const evaluate::FalseTriples made(all, manifest.entity_count, seed_);
    std::vector<Triple> negatives;
    for (std::uint64_t i = 0; i < all.size(); ++i) {
      for (std::uint64_t k = 0; k < negatives_; ++k) negatives.push_back(made.make(i, k, negatives_));
      if (negatives.size() < kTriplesAtOnce && i + 1 < all.size()) continue;
      score(negatives, false, examples);
      negatives.clear();
    }
    for (std::size_t first = 0; first < all.size(); first += kTriplesAtOnce)
      score(std::span(all).subspan(first, std::min<std::size_t>(kTriplesAtOnce, all.size() - first)), true, examples);
    return examples;
  }

 private:
  void score(std::span<const Triple> triples, bool are_true, std::vector<predict::Example>& examples) {
    for (const evaluate::TripleScore& score : evaluate::score_triples(ranking_, ranks_, triples))
      if (are_true || !score.known_in) examples.push_back({score.tail_score, are_true});
  }

  const search::Ranks& ranks_;
  evaluate::Ranking& ranking_;
  std::uint64_t negatives_;
  std::uint64_t seed_;
};

void print(const char* split, std::size_t count, const predict::CalibrationQuality& quality) {
  std::printf("%-8s %12s %10.4f %10.4f %18.4f\n", split, text::with_thousands(count).c_str(), quality.brier,
              quality.log_loss, quality.error);
}

/// Collective. Scores examples, fits on rank 0, and writes the curve of `epoch`.
void calibrate(const search::Ranks& ranks, evaluate::Ranking& ranking, const Options& options, const Job& job,
               std::uint64_t epoch) {
  Examples examples(ranks, ranking, options.negatives, job.run.seed);
  const std::vector<predict::Example> valid = examples.of(graph::Split::kValid);
  const std::vector<predict::Example> test = examples.of(graph::Split::kTest);
  comm::on_root(ranks.comm, [&] {
    const auto method = options.method == predict::name(predict::CalibrationMethod::kPlatt)
                            ? predict::CalibrationMethod::kPlatt
                            : predict::CalibrationMethod::kIsotonic;
    const predict::Calibration calibration = predict::Calibration::fit(method, valid, options.base_rate);
    calibration.save(job.run.folder, epoch);
    std::printf("%-8s %12s %10s %10s %18s\n", "split", "examples", "Brier", "log loss", "calibration error");
    print("valid", valid.size(), calibration.quality(valid));
    if (!test.empty()) print("test", test.size(), calibration.quality(test));
    std::printf("probabilities are for lists of which a share of %g is true (--base-rate)\n", options.base_rate);
    log::info("'tessera score' gives probabilities for epoch {} of '{}' now", epoch, job.run.folder);
  });
}

void calibrate_run(comm::Communicator& comm, const Options& options) {
  if (!(options.base_rate > 0 && options.base_rate < 1))
    throw comm::AgreedError(ExitStatus::kUsage, "--base-rate is a share between 0 and 1");
  const Job job = job_of_run(comm, options.run, options.overrides);
  evaluate::Options scoring;
  scoring.scores_only = true;
  scoring.max_triples = options.max_triples;
  if (is_graph_model(job)) {
    GraphModel model = open_graph_model(comm, job, options.epoch);
    const search::Ranks ranks{comm, model.context.shard, model.context.host};
    evaluate::ScoresRanking ranking(ranks, *model.scores, scoring);
    return calibrate(ranks, ranking, options, job, model.epoch);
  }
  ServedModel model = open_model(comm, job, plan::Stage::kEvaluate, options.epoch);
  const search::Setup setup{{comm, model.context.shard, model.context.host}, model.parameters};
  evaluate::Evaluator evaluator(setup, scoring);
  calibrate(setup, evaluator, options, job, model.epoch);
}

}  // namespace

Command add_calibrate(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("run", options->run, "Run folder, or the job file that made it").required();
  parser.add("overrides", options->overrides, "key=value for the job of the run, for example data.graph=FOLDER");
  parser
      .add("--method", options->method, "platt (a logistic curve) or isotonic (steps; for thousands of valid triples)")
      .check(one_of({"platt", "isotonic"}))
      .show_default();
  parser
      .add("--base-rate", options->base_rate,
           "Share of true triples among those that you will ask about; among new pairs it is often below 0.01")
      .show_default();
  parser
      .add(
          "--negatives", options->negatives,
          "False triples per true one: one end replaced, by the end of another triple of the relation or by any entity")
      .check(whole_number(1, 1000))
      .show_default();
  parser.add("--max-triples", options->max_triples, "Use a sample of about this many triples of a large split; 0: all")
      .check(whole_number(0))
      .show_default();
  parser.add("--epoch", options->epoch, "Checkpoint to calibrate (default: the best by validation, else the newest)")
      .check(whole_number(0));
  parser.epilogue(
      "Fits on the valid split, checks on the test split, and writes RUN/calibration.json, which 'tessera score' "
      "reads.\n"
      "Smaller figures are better. The calibration error is the mean distance, over ten bins, of the probability from\n"
      "the share of true triples.\n");
  return {[options](comm::Communicator& comm) { calibrate_run(comm, *options); }, true};
}

}  // namespace tessera::cli
