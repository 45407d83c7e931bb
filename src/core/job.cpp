// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/job.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace tessera {
namespace {
constexpr double kMostDecay = 0.999999;  // the mean still moves
constexpr double kMostDropout = 0.99;    // some elements stay
constexpr double kMostSmoothing = 0.99;  // the target keeps a weight

void visit_input(Job& job, ConfigVisitor& v) {
  v.text("data.graph", job.data.graph, {});
  v.integer("data.parts", job.data.parts, {1, static_cast<double>(kMostParts)});
  v.text("run.folder", job.run.folder, {});
  v.integer("run.seed", job.run.seed, {});
  v.integer("run.threads", job.run.threads, {0, 4096});
  v.text("run.memory", job.run.memory, {});
  v.integer("run.watchdog_seconds", job.run.watchdog_seconds, {1, 1e6});
  v.text("run.device", job.run.device, {"cpu", "cuda", "auto"});
  v.text("run.placement", job.run.placement, {});
  v.text("run.device_memory", job.run.device_memory, {});
  v.text("run.products", job.run.products, {"auto", "chain", "fp32", "tf32", "bf16"});
  v.text("run.rows", job.run.rows, {"fp32", "bf16", "fp16", "int8"});
  v.text("memory.queries", job.memory.queries, {"auto", "memory", "stream"});
  v.real("memory.hot_rows", job.memory.hot_rows, {0, 1});
  v.word_or_integer("memory.resident_parts", job.memory.resident_parts, {"all", "auto"});
  v.text("memory.folder", job.memory.folder, {});
}

void visit_model(Job& job, ConfigVisitor& v) {
  v.text("model.name", job.model.name,
         {"transe_l1", "transe_l2", "distmult", "complex", "rotate", "rescal", "cp", "tucker", "simple", "quate",
          "ultra", "nbfnet"});
  v.integer("model.dim", job.model.dim, {1, static_cast<double>(kMostDim)});
  v.text("model.init", job.model.init, {"normal", "uniform", "xavier_normal", "xavier_uniform"});
  v.real("model.init_scale", job.model.init_scale, {0, 1e3});
  v.integer("model.relation_dim", job.model.relation_dim, {0, static_cast<double>(kMostDim)});
  v.integer("train.epochs", job.train.epochs, {0, 1e6});
  v.integer("train.batch_size", job.train.batch_size, {1, 1 << 26});
  v.flag("train.group_queries", job.train.group_queries);
  v.integer("train.segment_steps", job.train.segment_steps, {0, 1e12});
  v.integer("negatives.count", job.negatives.count, {1, 1 << 22});
  v.text("negatives.scope", job.negatives.scope, {"global", "part", "all"});
  v.flag("negatives.unbiased", job.negatives.unbiased);
  v.text("loss.name", job.loss.name, {"softmax", "bce", "margin", "self_adversarial"});
  v.real("loss.margin", job.loss.margin, {0, 1e6});
  v.real("loss.temperature", job.loss.temperature, {0, 1e6});
  v.real("loss.smoothing", job.loss.smoothing, {0, kMostSmoothing});
  v.real("relation_prediction.weight", job.relation_prediction.weight, {0, 1e6});
  v.real("dropout.entity", job.dropout.entity, {0, kMostDropout});
  v.real("dropout.relation", job.dropout.relation, {0, kMostDropout});
  v.integer("propagation.layers", job.propagation.layers, {1, 32});
  v.text("propagation.relations", job.propagation.relations, {"independent", "dependent"});
  v.text("propagation.removed", job.propagation.removed, {"own", "pair"});
  v.text("propagation.weights", job.propagation.weights, {});
  v.text("regulariser.name", job.regulariser.name, {"none", "l2", "n3", "dura", "ivr"});
  v.real("regulariser.weight", job.regulariser.weight, {0, 1e6});
  v.real("regulariser.power", job.regulariser.power, {1, 8});
  v.real("regulariser.relation_weight", job.regulariser.relation_weight, {0, 1e6});
  v.real("regulariser.product_weight", job.regulariser.product_weight, {0, 1e6});
}

void visit_optimiser(Job& job, ConfigVisitor& v) {
  v.text("optimiser.name", job.optimiser.name, {"adagrad", "rowwise_adagrad", "adam", "sgd"});
  v.real("optimiser.learning_rate", job.optimiser.learning_rate, {0, 1e38, true});
  v.real("optimiser.epsilon", job.optimiser.epsilon, {0, 1, true});
  v.real("optimiser.beta1", job.optimiser.beta1, {0, kMostDecay});
  v.real("optimiser.beta2", job.optimiser.beta2, {0, kMostDecay});
  v.text("optimiser.state", job.optimiser.state, {"fp32", "log8"});
  v.text("schedule.name", job.schedule.name, {"constant", "warmup", "plateau"});
  v.real("schedule.warmup_epochs", job.schedule.warmup_epochs, {0, 1e6});
  v.real("schedule.factor", job.schedule.factor, {1e-6, 1});
  v.integer("schedule.patience", job.schedule.patience, {1, 1e6});
  v.real("average.decay", job.average.decay, {0, kMostDecay});
}

void visit_exchange(Job& job, ConfigVisitor& v) {
  v.text("exchange.mode", job.exchange.mode, {"auto", "rows", "queries"});
  v.integer("exchange.staleness", job.exchange.staleness, {0, 1});
  v.text("exchange.scores", job.exchange.scores, {"auto", "keep", "recompute"});
  v.text("exchange.transport", job.exchange.transport, {"auto", "nccl", "host"});
  v.text("exchange.format", job.exchange.format, {"fp32", "bf16", "int8"});
  v.integer("validate.every", job.validate.every, {0, 1e6});
  v.integer("validate.patience", job.validate.patience, {0, 1e6});
  v.integer("validate.max_triples", job.validate.max_triples, {});
  v.word_or_integer("checkpoint.every", job.checkpoint.every, {});
  v.integer("checkpoint.keep", job.checkpoint.keep, {1, 1e6});
  v.flag("checkpoint.background", job.checkpoint.background);
  v.text("expect.split", job.expect.split, {"valid", "test"});
  v.real("expect.mrr", job.expect.mrr, {0, 1});
  v.real("expect.tolerance", job.expect.tolerance, {0, 1});
}

}  // namespace

void visit(Job& job, ConfigVisitor& v) {
  visit_input(job, v);
  visit_model(job, v);
  visit_optimiser(job, v);
  visit_exchange(job, v);
}

Job read_job(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  ConfigValues values = read_toml_file(file);
  apply_overrides(values, overrides);
  ConfigReader reader(values);
  Job job;
  visit(job, reader);
  reader.reject_unknown();
  if (job.data.graph.empty())
    fail(ExitStatus::kUsage, "{}: 'data.graph' is missing; it names the folder that 'tessera import' wrote",
         file.string());
  if (job.run.folder.empty())
    fail(ExitStatus::kUsage, "{}: 'run.folder' is missing; it names the folder for the results", file.string());
  if (job.schedule.name == "plateau" && job.validate.every == 0)
    fail(ExitStatus::kUsage, "{}: 'schedule.name' cannot be \"plateau\" without validations: 'validate.every' is 0",
         file.string());
  if (!job.run.memory.empty()) (void)text::parse_bytes(job.run.memory, "run.memory");
  if (!job.run.device_memory.empty()) (void)text::parse_bytes(job.run.device_memory, "run.device_memory");
  (void)text::parse_duration(job.checkpoint.every, "checkpoint.every");
  if (job.memory.resident_parts != "auto") (void)resident_parts(job);
  return job;
}

std::uint32_t resident_parts(const Job& job) {
  const std::string& value = job.memory.resident_parts;
  if (value == "all") return 0;
  std::uint32_t parts = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parts);
  if (error != std::errc() || end != value.data() + value.size() || parts < 2 || parts > job.data.parts)
    fail(ExitStatus::kUsage,
         "memory.resident_parts is '{}'; it is \"all\", \"auto\", or a number from 2 to data.parts ({})", value,
         job.data.parts);
  return parts == job.data.parts ? 0 : parts;
}

Job with_settings(Job job, const std::vector<std::string>& settings) {
  ConfigValues values;
  apply_overrides(values, settings);
  ConfigReader reader(values);
  visit(job, reader);
  reader.reject_unknown();
  return job;
}

std::string to_toml(Job job) {
  ConfigWriter writer;
  visit(job, writer);
  return writer.toml();
}

Job with_absolute_paths(Job job) {
  for (std::string* path : {&job.data.graph, &job.run.folder, &job.memory.folder, &job.propagation.weights}) {
    if (!path->empty()) *path = std::filesystem::absolute(*path).lexically_normal().string();
    if (!text::is_utf8(*path))
      fail(ExitStatus::kUsage, "path '{}' is not UTF-8: a job file cannot hold it; rename the folder", *path);
  }
  return job;
}

namespace {

bool may_change(std::string_view key, const Job& job) {
  constexpr std::array<std::string_view, 17> kKeys = {
      "data.graph",         "run.folder",           "run.threads",   "run.memory",          "run.watchdog_seconds",
      "run.device_memory",  "memory.queries",       "run.placement", "train.epochs",        "exchange.scores",
      "exchange.transport", "validate.patience",    "memory.folder", "propagation.weights", "checkpoint.every",
      "checkpoint.keep",    "checkpoint.background"};
  if (std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end() || key.starts_with("expect.")) return true;
  return key.starts_with("validate.") && job.schedule.name != "plateau";  // which goes by the validations
}

std::vector<ConfigLine> lines_of(Job& job) {
  ConfigWriter writer;
  visit(job, writer);
  return writer.lines();
}

}  // namespace

std::optional<JobChange> changed_result(Job before, Job now) {
  const std::vector<ConfigLine> old_lines = lines_of(before);
  const std::vector<ConfigLine> new_lines = lines_of(now);
  for (std::size_t i = 0; i < new_lines.size(); ++i) {
    if (old_lines[i].value == new_lines[i].value || may_change(new_lines[i].key, now)) continue;
    if (new_lines[i].key == "train.segment_steps" && before.train.segment_steps == 0) continue;  // not decided then
    return JobChange{new_lines[i].key, old_lines[i].value, new_lines[i].value};
  }
  return std::nullopt;
}

}  // namespace tessera
