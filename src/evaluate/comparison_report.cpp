// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"
#include "evaluate/comparison.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tessera::evaluate {
namespace {

using Json = nlohmann::ordered_json;
using text::with_thousands;

std::string line_of(const char* label, double mrr, const StoredEvaluation& evaluation) {
  return fmt::format("  {}  MRR {:.4f}   {} ({}, dim {}, epoch {})\n", label, mrr, evaluation.file.string(),
                     evaluation.model, evaluation.dim, evaluation.epoch);
}

Json json_of(double mrr, const StoredEvaluation& evaluation) {
  return {{"file", evaluation.file.string()},
          {"model", evaluation.model},
          {"dim", evaluation.dim},
          {"epoch", evaluation.epoch},
          {"mrr", mrr}};
}

}  // namespace

std::string to_text(const Comparison& comparison, const StoredEvaluation& first, const StoredEvaluation& second,
                    BootstrapOptions options) {
  std::string out = fmt::format("{} {} triples, {} queries, ranked among {}\n", with_thousands(comparison.triples),
                                first.split, with_thousands(comparison.queries),
                                first.candidate_digest.empty() ? "all entities" : "listed candidates");
  out += line_of("A", comparison.first_mrr, first) + line_of("B", comparison.second_mrr, second);
  out += fmt::format("\nB - A: {:+.4f}", comparison.second_mrr - comparison.first_mrr);
  if (options.resamples > 0)
    out += fmt::format(
        ", standard error {:.4f}; {:g} % interval {:+.4f} .. {:+.4f} from {} bootstrap resamples of the triples\n"
        "B is better in {:.2f} % of them; two-sided p about {:.2g}",
        comparison.difference.standard_error, 100 * kConfidence, comparison.difference.low, comparison.difference.high,
        with_thousands(options.resamples), 100 * comparison.share_second_better, comparison.p_value);
  return out + fmt::format("\ntargets that B ranks higher: {}, lower: {}, as high: {}\n",
                           with_thousands(comparison.better), with_thousands(comparison.worse),
                           with_thousands(comparison.queries - comparison.better - comparison.worse));
}

std::string to_json(const Comparison& comparison, const StoredEvaluation& first, const StoredEvaluation& second,
                    BootstrapOptions options) {
  Json json = {{"split", first.split},
               {"candidate_set", first.candidate_set},
               {"triples", comparison.triples},
               {"queries", comparison.queries},
               {"first", json_of(comparison.first_mrr, first)},
               {"second", json_of(comparison.second_mrr, second)},
               {"difference", comparison.second_mrr - comparison.first_mrr},
               {"better", comparison.better},
               {"worse", comparison.worse}};
  if (options.resamples > 0) {
    json["low"] = comparison.difference.low;
    json["high"] = comparison.difference.high;
    json["standard_error"] = comparison.difference.standard_error;
    json["confidence"] = kConfidence;
    json["share_second_better"] = comparison.share_second_better;
    json["p_value"] = comparison.p_value;
    json["resamples"] = options.resamples;
    json["seed"] = options.seed;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera::evaluate
