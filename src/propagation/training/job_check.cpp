// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "propagation/nbfnet.hpp"
#include "propagation/training/nbfnet_learner.hpp"
#include "propagation/training/run.hpp"
#include "propagation/training/ultra_learner.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace tessera::propagation {
namespace {

void require(const Job& job, const char* key, bool fits, const std::string& is, const char* remedy) {
  if (!fits) fail(ExitStatus::kUsage, "model '{}' does not fit {} = {}; {}", job.model.name, key, is, remedy);
}

}  // namespace

void check_graph_job(const Job& job) {
  const bool is_ultra = job.model.name == kUltraName;
  const std::uint64_t dim = job.model.dim;
  require(job, "model.dim", dim % kernels::kPanelColumns == 0 && dim <= kernels::kMostStateColumns,
          fmt::format("{}", dim), "it is a multiple of 16, 256 at most");
  require(job, "loss.name", job.loss.name == "self_adversarial", job.loss.name, "use loss.name=self_adversarial");
  require(job, "optimiser.name", job.optimiser.name == "adam", job.optimiser.name, "use optimiser.name=adam");
  require(job, "run.device", job.run.device != "cuda", job.run.device, "use run.device=cpu");
  require(job, "run.rows", job.run.rows == "fp32", job.run.rows, "it has no entity rows; leave it out");
  require(job, "negatives.scope", job.negatives.scope == "global", job.negatives.scope, "use negatives.scope=global");
  require(job, "train.group_queries", !job.train.group_queries, "true", "leave it out");
  require(job, "memory.resident_parts", job.memory.resident_parts == "all", job.memory.resident_parts,
          "every rank has the whole graph; leave it out");
  require(job, "average.decay", job.average.decay == 0, fmt::format("{}", job.average.decay), "leave it out");
  require(job, "regulariser.name", job.regulariser.name == "none", job.regulariser.name, "leave it out");
  require(job, "dropout", job.dropout.entity == 0 && job.dropout.relation == 0, "a chance above 0", "leave it out");
  require(job, "relation_prediction.weight", job.relation_prediction.weight == 0,
          fmt::format("{}", job.relation_prediction.weight), "leave it out");
  require(job, "propagation.weights", is_ultra || job.propagation.weights.empty(), job.propagation.weights,
          "it is of 'ultra'");
  require(job, "propagation.relations", !is_ultra || job.propagation.relations == Job{}.propagation.relations,
          job.propagation.relations, "it is of 'nbfnet'");
}

std::vector<std::string> idle_graph_settings(const Job& job) {
  constexpr std::array<std::string_view, 26> kUsed = {"data.",
                                                      "run.folder",
                                                      "run.seed",
                                                      "run.threads",
                                                      "run.memory",
                                                      "run.watchdog_seconds",
                                                      "run.placement",
                                                      "model.name",
                                                      "model.dim",
                                                      "train.epochs",
                                                      "train.batch_size",
                                                      "train.segment_steps",
                                                      "negatives.count",
                                                      "loss.name",
                                                      "loss.temperature",
                                                      "propagation.",
                                                      "optimiser.name",
                                                      "optimiser.learning_rate",
                                                      "optimiser.epsilon",
                                                      "optimiser.beta",
                                                      "schedule.",
                                                      "validate.",
                                                      "checkpoint.every",
                                                      "checkpoint.keep",
                                                      "expect.",
                                                      "run.device"};
  const auto lines = [](Job of) {
    ConfigWriter writer;
    visit(of, writer);
    return writer.lines();
  };
  const std::vector<ConfigLine> own = lines(job);
  const std::vector<ConfigLine> usual = lines(Job{});
  std::vector<std::string> idle;
  for (std::size_t i = 0; i < own.size(); ++i)
    if (own[i].value != usual[i].value &&
        std::none_of(kUsed.begin(), kUsed.end(), [&](std::string_view used) { return own[i].key.starts_with(used); }))
      idle.push_back(fmt::format("{} (it is of models with vectors)", own[i].key));
  return idle;
}

std::unique_ptr<Learner> make_learner(const Job& job, const MessageGraph& graph, memory::Pool& pool) {
  const LearnerOptions options{job.model.dim, job.propagation.layers, job.negatives.count, job.loss.temperature};
  if (job.model.name == kUltraName) return std::make_unique<UltraLearner>(graph, options, pool);
  return std::make_unique<NbfnetLearner>(graph, options, job.propagation.relations == "dependent");
}

}  // namespace tessera::propagation
