// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/job_rules.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "model/row_formats.hpp"
#include "model/scorer.hpp"
#include "train/negative_loss.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tessera::train {
namespace {

bool is_dot(const model::Scorer& scorer) { return scorer.similarity() == kernels::Similarity::kDot; }
bool is_dot(const Job& job) { return is_dot(model::find_scorer(job.model.name)); }

// "distmult, complex, ...": the models of which `holds` is true.
template <class Predicate>
std::string models_with(const Predicate& holds) {
  std::vector<std::string> names = model::scorer_names();
  std::erase_if(names, [&](const std::string& name) { return !holds(model::find_scorer(name)); });
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string dot_models() {
  return models_with([](const model::Scorer& scorer) { return is_dot(scorer); });
}

// Why queries cannot be moved, or an empty string.
std::string against_queries(const Job& job) {
  const LossKind loss = find_loss(job.loss.name);
  if (!is_dot(job))
    return fmt::format("model '{}' compares by a distance; moving queries fits one of {}", job.model.name,
                       dot_models());
  if (loss == LossKind::kMargin || loss == LossKind::kSelfAdversarial)
    return fmt::format("loss '{}' needs negatives of its own; moving queries fits softmax and bce", job.loss.name);
  if (job.negatives.scope == "part") return "negatives.scope 'part' fits only moving rows";
  if (job.exchange.staleness > 0) return "exchange.staleness fits only moving rows";
  if (job.exchange.format != "fp32") return "exchange.format fits only moving rows";
  return {};
}

// Why rows cannot be moved, or an empty string.
std::string against_rows(const Job& job) {
  if (find_loss(job.loss.name) == LossKind::kBinary) return "loss 'bce' needs all answers of a query at once";
  if (job.train.group_queries) return "train.group_queries needs all answers of a query at once";
  if (job.relation_prediction.weight > 0) return "relation_prediction needs source and target at one place";
  return {};
}

// Whatever "auto" turns out to be.
bool moves_rows(const Job& job) { return job.exchange.mode == "rows" || !against_queries(job).empty(); }

void check_rows_format(const Job& job) {
  if (job.run.rows != "fp32" && job.average.decay > 0)
    fail(ExitStatus::kUsage, "run.rows '{}' does not fit average.decay {}: averages are in fp32; use run.rows=fp32",
         job.run.rows, job.average.decay);
  if (job.run.rows == "int8" && job.memory.hot_rows > 0 && job.model.dim < kernels::kHotColumns)
    fail(ExitStatus::kUsage,
         "run.rows 'int8' with memory.hot_rows {} needs a model.dim of {} or more, not {}; use memory.hot_rows=0",
         job.memory.hot_rows, kernels::kHotColumns, job.model.dim);
  if (job.optimiser.state != "fp32" && job.optimiser.name != "adagrad")
    fail(ExitStatus::kUsage, "optimiser.state '{}' fits optimiser.name 'adagrad', not '{}'; use optimiser.state=fp32",
         job.optimiser.state, job.optimiser.name);
}

void check_rounds(const Job& job) {
  if (job.memory.resident_parts == "all") return;
  const std::string key = fmt::format("memory.resident_parts '{}'", job.memory.resident_parts);
  if (job.negatives.scope == "all")
    fail(ExitStatus::kUsage,
         "{} does not fit negatives.scope 'all': all entities would have to be in memory; use "
         "'global' or 'part'",
         key);
  if (job.average.decay > 0)
    fail(ExitStatus::kUsage,
         "{} does not fit average.decay {}: an average is as large as the rows; use average.decay=0", key,
         job.average.decay);
  if (job.run.placement != "auto" && job.run.placement != "equal")
    fail(ExitStatus::kUsage, "{} does not fit run.placement '{}': parts move between ranks", key, job.run.placement);
}

void check_loss(const Job& job) {
  const LossKind loss = find_loss(job.loss.name);
  const bool all = job.negatives.scope == "all";
  if (loss == LossKind::kBinary && (!all || !job.train.group_queries))
    fail(ExitStatus::kUsage,
         "loss 'bce' scores every entity for all answers of a query: set negatives.scope=all and "
         "train.group_queries=true, or use loss 'softmax'");
  if (loss != LossKind::kBinary && job.loss.smoothing > 0)
    fail(ExitStatus::kUsage, "loss.smoothing fits loss 'bce', not '{}'", job.loss.name);
  if ((loss == LossKind::kMargin || loss == LossKind::kSelfAdversarial) && all)
    fail(ExitStatus::kUsage, "loss '{}' needs sampled negatives: set negatives.scope to global or part", job.loss.name);
  if (job.train.group_queries && !all)
    fail(ExitStatus::kUsage, "train.group_queries fits negatives.scope=all, not '{}'", job.negatives.scope);
}

void check_model(const Job& job) {
  const model::Scorer& scorer = model::find_scorer(job.model.name);
  if (job.model.dim % scorer.dim_unit() != 0)
    fail(ExitStatus::kUsage, "model.dim must be a multiple of {} for '{}' (it counts reals), not {}", scorer.dim_unit(),
         job.model.name, job.model.dim);
  const bool products =
      job.regulariser.name == "dura" || (job.regulariser.name == "ivr" && job.regulariser.product_weight > 0);
  if (products && !is_dot(job))
    fail(ExitStatus::kUsage,
         "regulariser '{}' penalises products, which model '{}' does not have; use l2 or n3, or one of the models {}",
         job.regulariser.name, job.model.name, dot_models());
  if (job.relation_prediction.weight > 0 && !scorer.is_linear_in_relation())
    fail(ExitStatus::kUsage,
         "relation_prediction does not fit model '{}', whose score is not linear in the relation; it fits {}",
         job.model.name, models_with([](const model::Scorer& other) { return other.is_linear_in_relation(); }));
  if (job.model.relation_dim > 0 && !scorer.has_core())
    fail(ExitStatus::kUsage, "model.relation_dim fits {}, not '{}', whose relation rows have {} reals; leave it out",
         models_with([](const model::Scorer& other) { return other.has_core(); }), job.model.name,
         scorer.operator_dim(job.model.dim));
  if (job.dropout.relation > 0 && scorer.has_phases())
    fail(ExitStatus::kUsage,
         "dropout.relation does not fit model '{}', whose relations are phases: none of them is nothing, and scaling "
         "turns further; use dropout.entity",
         job.model.name);
}

// Bytes moved in a step when each rank has one part: rows of other parts, and their gradients back.
std::uint64_t rows_moved(const Job& job, const graph::PartitionManifest& manifest) {
  const double cut = graph::cut_fraction(manifest.figures);
  std::uint64_t rows = static_cast<std::uint64_t>(cut * static_cast<double>(job.train.batch_size));
  for (std::uint32_t p = 0; p < manifest.part_count(); ++p) {
    const std::uint64_t others = manifest.entity_count - manifest.rows(PartId(p));
    if (job.negatives.scope == "all") rows += others;
    if (job.negatives.scope == "global") rows += std::min(job.negatives.count, others);
  }
  const std::uint64_t row_bytes = kernels::row_bytes(model::find_row_format(job.run.rows), job.model.dim);
  return rows * (row_bytes + job.model.dim * sizeof(float));
}

// Bytes moved in a step: query vectors to every other part, and their gradients back.
std::uint64_t queries_moved(const Job& job, const graph::PartitionManifest& manifest) {
  const std::uint64_t vectors = job.relation_prediction.weight > 0 ? 4 : 2;
  return vectors * job.train.batch_size * (manifest.part_count() - 1) * job.model.dim * sizeof(float);
}

}  // namespace

std::string against_device(const Job& job) {
  if (moves_rows(job)) return {};
  if (job.exchange.scores == "recompute") return "exchange.scores 'recompute'; a device keeps them";
  return {};
}

void check_fit(const Job& job) {
  check_model(job);
  check_loss(job);
  if (const std::string no = against_device(job); job.run.device == "cuda" && !no.empty())
    fail(ExitStatus::kUsage, "run.device 'cuda' does not fit: {}; use run.device=cpu", no);
  check_rows_format(job);
  check_rounds(job);
  std::string no_queries = against_queries(job);
  const std::string no_rows = against_rows(job);
  if (job.exchange.mode == "queries" && !no_queries.empty())
    fail(ExitStatus::kUsage, "exchange.mode 'queries' does not fit: {}", no_queries);
  if (job.exchange.mode == "rows" && !no_rows.empty())
    fail(ExitStatus::kUsage, "exchange.mode 'rows' does not fit: {}; use 'queries'", no_rows);
  if (!no_queries.empty() && !no_rows.empty())
    fail(ExitStatus::kUsage, "these settings do not fit together: {}; and {}", no_queries, no_rows);
}

void require_resident_parts(const Job& job, std::int32_t ranks) {
  const std::uint32_t resident = resident_parts(job);
  if (resident > 0 && resident < static_cast<std::uint32_t>(ranks))
    fail(ExitStatus::kUsage, "memory.resident_parts is {}, and each of the {} ranks needs a part in memory", resident,
         ranks);
}

void check_fit_of_ranks(const Job& job, int device_ranks, int ranks) {
  if (device_ranks == ranks) return;
  // Every rank updates core and relations by products of its own, and they must come out alike.
  if (device_ranks > 0 && job.run.products != "chain" && model::find_scorer(job.model.name).has_core())
    fail(ExitStatus::kUsage,
         "model '{}', whose relations share a core, needs run.products=chain where only {} of {} ranks have a device",
         job.model.name, device_ranks, ranks);
}

std::vector<std::string> idle_settings(const Job& job) {
  const Job usual;
  const std::string& regulariser = job.regulariser.name;
  const std::string& loss = job.loss.name;
  const std::string& schedule = job.schedule.name;
  const bool is_ivr = regulariser == "ivr";
  const bool is_weighted =
      job.regulariser.weight > 0 || (is_ivr && job.regulariser.relation_weight + job.regulariser.product_weight > 0);
  std::vector<std::string> idle;
  const auto check = [&](const char* key, bool is_set, bool has_effect, const char* why) {
    if (is_set && !has_effect) idle.push_back(fmt::format("{} ({})", key, why));
  };
  check("regulariser.name", regulariser != "none", is_weighted, "regulariser.weight is 0");
  check("regulariser.weight", is_weighted, regulariser != "none", "regulariser.name is none");
  check("regulariser.power", job.regulariser.power != usual.regulariser.power, is_ivr, "it is of ivr");
  check("regulariser.relation_weight", job.regulariser.relation_weight > 0, is_ivr, "it is of ivr");
  check("regulariser.product_weight", job.regulariser.product_weight > 0, is_ivr, "it is of ivr");
  check("train.segment_steps", job.train.segment_steps > 0,
        job.memory.resident_parts == "all" || job.memory.resident_parts == "auto",
        "a round of memory.resident_parts is a segment");
  check("loss.margin", job.loss.margin != usual.loss.margin, loss == "margin" || loss == "self_adversarial",
        "it is of margin and self_adversarial");
  check("loss.temperature", job.loss.temperature != usual.loss.temperature, loss == "self_adversarial",
        "it is of self_adversarial");
  check("negatives.count", job.negatives.count != usual.negatives.count, job.negatives.scope != "all",
        "negatives.scope is all");
  check("optimiser.beta1", job.optimiser.beta1 != usual.optimiser.beta1, job.optimiser.name == "adam", "it is of adam");
  check("optimiser.beta2", job.optimiser.beta2 != usual.optimiser.beta2, job.optimiser.name == "adam", "it is of adam");
  check("memory.hot_rows", job.memory.hot_rows != usual.memory.hot_rows, job.run.rows == "int8", "it is of int8 rows");
  check("schedule.warmup_epochs", job.schedule.warmup_epochs != usual.schedule.warmup_epochs, schedule == "warmup",
        "it is of warmup");
  check("schedule.factor", job.schedule.factor != usual.schedule.factor, schedule == "plateau", "it is of plateau");
  check("schedule.patience", job.schedule.patience != usual.schedule.patience, schedule == "plateau",
        "it is of plateau");
  check("run.products", job.run.products == "tf32", job.run.device != "cpu", "run.device is cpu");
  check("run.device_memory", !job.run.device_memory.empty(), job.run.device != "cpu", "run.device is cpu");
  check("exchange.transport", job.exchange.transport != usual.exchange.transport, job.run.device != "cpu",
        "run.device is cpu");
  check("model.init_scale", job.model.init_scale != usual.model.init_scale, !job.model.init.starts_with("xavier"),
        "a Xavier initialisation has its own");
  const bool has_graph_settings =
      job.propagation.layers != usual.propagation.layers || job.propagation.relations != usual.propagation.relations ||
      job.propagation.removed != usual.propagation.removed || !job.propagation.weights.empty();
  check("propagation", has_graph_settings, false, "it is of nbfnet and ultra");
  return idle;
}

ExchangeChoice choose_exchange(const Job& job, const graph::PartitionManifest& manifest, bool on_devices) {
  if (job.exchange.mode != "auto") return {job.exchange.mode, "as the job says"};
  if (const std::string no = against_queries(job); !no.empty()) return {"rows", no};
  if (on_devices) return {"queries", "devices move queries where they can"};
  if (const std::string no = against_rows(job); !no.empty()) return {"queries", no};
  const std::uint64_t row_bytes = rows_moved(job, manifest);
  const std::uint64_t query_bytes = queries_moved(job, manifest);
  return {row_bytes <= query_bytes ? "rows" : "queries",
          fmt::format("a step moves {} of rows or {} of queries when every part is alone", text::bytes(row_bytes),
                      text::bytes(query_bytes))};
}

}  // namespace tessera::train
