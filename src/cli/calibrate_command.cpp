// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "evaluate/evaluator.hpp"
#include "evaluate/triple_scores.hpp"
#include "predict/calibration.hpp"
#include "search/setup.hpp"

#include <cstdio>
#include <map>
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

/// The triples of a split, as every rank gets them, each by its tail query.
std::vector<Triple> triples_of(evaluate::Evaluator& evaluator, graph::Split split, std::uint64_t relations) {
  std::vector<Triple> triples;
  evaluator.run(split, [&](std::span<const evaluate::RankedQuery> ranked) {
    for (const evaluate::RankedQuery& query : ranked)
      if (query.relation.value() < relations) triples.push_back({query.source, query.relation, query.target});
  });
  return triples;
}

/// Makes false triples of true ones: the tail of triple i is replaced for an even k, else the head. The replacement is
/// the same end of another triple of the relation, so that it is of a likely type, or, for every other pair of k, any
/// entity.
class Corruption {
 public:
  Corruption(std::span<const Triple> triples, std::uint64_t entities, std::uint64_t seed)
      : triples_(triples), entities_(entities), random_(seed, tessera::Purpose::kCalibration) {
    for (std::size_t i = 0; i < triples.size(); ++i) of_relation_[triples[i].relation.value()].push_back(i);
  }

  [[nodiscard]] Triple make(std::size_t i, std::uint64_t k, std::uint64_t per_triple) const {
    Triple triple = triples_[i];
    const std::uint64_t number = i * per_triple + k;
    const bool is_tail = k % 2 == 0;
    const std::vector<std::size_t>& alike = of_relation_.at(triple.relation.value());
    const Triple& other = triples_[alike[random_.below(number, alike.size())]];
    const EntityId end =
        k / 2 % 2 == 0 ? (is_tail ? other.tail : other.head) : EntityId(random_.below(number, entities_));
    (is_tail ? triple.tail : triple.head) = end;
    return triple;
  }

 private:
  std::span<const Triple> triples_;
  std::uint64_t entities_;
  RandomStream random_;
  std::map<std::uint32_t, std::vector<std::size_t>> of_relation_;
};

/// Scores the triples of a split and as many corrupted ones as asked for; those that the graph knows are dropped. On
/// rank 0.
class Examples {
 public:
  Examples(const search::Setup& setup, evaluate::Evaluator& evaluator, const Options& options, std::uint64_t seed)
      : setup_(setup), evaluator_(evaluator), options_(options), seed_(seed) {}

  /// Collective.
  std::vector<predict::Example> of(graph::Split split) {
    const graph::PartitionManifest& manifest = setup_.shard.manifest;
    std::vector<predict::Example> examples;
    const std::vector<Triple> all = triples_of(evaluator_, split, manifest.relation_count);
    const Corruption corruption(all, manifest.entity_count, seed_);
    std::vector<Triple> negatives;
    for (std::uint64_t i = 0; i < all.size(); ++i) {
      for (std::uint64_t k = 0; k < options_.negatives; ++k)
        negatives.push_back(corruption.make(i, k, options_.negatives));
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
    for (const evaluate::TripleScore& score : evaluate::score_triples(evaluator_, setup_, triples))
      if (are_true || !score.known_in) examples.push_back({score.tail_score, are_true});
  }

  const search::Setup& setup_;
  evaluate::Evaluator& evaluator_;
  const Options& options_;
  std::uint64_t seed_;
};

void print(const char* split, std::size_t count, const predict::CalibrationQuality& quality) {
  std::printf("%-8s %12s %10.4f %10.4f %18.4f\n", split, text::with_thousands(count).c_str(), quality.brier,
              quality.log_loss, quality.error);
}

void calibrate_run(comm::Communicator& comm, const Options& options) {
  if (!(options.base_rate > 0 && options.base_rate < 1))
    throw comm::AgreedError(ExitStatus::kUsage, "--base-rate is a share between 0 and 1");
  const Job job = job_of_run(comm, options.run, options.overrides);
  ServedModel model = open_model(comm, job, plan::Stage::kEvaluate, options.epoch);
  const search::Setup setup{{comm, model.context.shard, model.context.host}, model.parameters};
  evaluate::Options scoring;
  scoring.scores_only = true;
  scoring.max_triples = options.max_triples;
  evaluate::Evaluator evaluator(setup, scoring);
  Examples examples(setup, evaluator, options, job.run.seed);
  const std::vector<predict::Example> valid = examples.of(graph::Split::kValid);
  const std::vector<predict::Example> test = examples.of(graph::Split::kTest);
  comm::on_root(comm, [&] {
    const auto method = options.method == predict::name(predict::CalibrationMethod::kPlatt)
                            ? predict::CalibrationMethod::kPlatt
                            : predict::CalibrationMethod::kIsotonic;
    const predict::Calibration calibration = predict::Calibration::fit(method, valid, options.base_rate);
    calibration.save(job.run.folder, model.epoch);
    std::printf("%-8s %12s %10s %10s %18s\n", "split", "examples", "Brier", "log loss", "calibration error");
    print("valid", valid.size(), calibration.quality(valid));
    if (!test.empty()) print("test", test.size(), calibration.quality(test));
    std::printf("probabilities are for lists of which a share of %g is true (--base-rate)\n", options.base_rate);
    log::info("'tessera score' gives probabilities for epoch {} of '{}' now", model.epoch, job.run.folder);
  });
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
