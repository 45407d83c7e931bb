// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect_run.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/model_file.hpp"
#include "core/error.hpp"
#include "core/job.hpp"
#include "propagation/weights.hpp"
#include "train/loop/metrics_log.hpp"
#include "train/loop/placement.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace tessera::cli {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

// The numbers that metrics.h5 and metrics.jsonl have in common.
struct EpochResult {
  std::uint64_t epoch = 0;
  double loss = 0;
  double validation_mrr = 0;  // NaN where not validated
};

Json summary(const std::vector<EpochResult>& epochs) {
  Json out = {{"epochs", epochs.size()}};
  if (epochs.empty()) return out;
  out["last loss"] = epochs.back().loss;
  const EpochResult* best = nullptr;
  for (const EpochResult& result : epochs)
    if (!std::isnan(result.validation_mrr) && (best == nullptr || result.validation_mrr > best->validation_mrr))
      best = &result;
  if (best == nullptr) return out;
  out["best validation MRR"] = best->validation_mrr;
  out["best epoch"] = best->epoch;
  return out;
}

Json metrics_of_log(const fs::path& file) {
  std::vector<EpochResult> epochs;
  for (const train::EpochRecord& record : train::read_metrics(file))
    epochs.push_back({record.epoch, record.loss, record.validation_mrr.value_or(std::nan(""))});
  return summary(epochs);
}

Json starts_of(const fs::path& file) {
  Json out = Json::array();
  for (const train::Start& start : train::read_starts(file))
    out.push_back(fmt::format("after {}: {} rank{}, parts of each {} ({})", in_words(start.after), start.ranks.size(),
                              start.ranks.size() == 1 ? "" : "s", start.placement, start.why));
  return out;
}

Json metrics_of_columns(const storage::FileReader& file) {
  const auto epoch = file.read<std::uint64_t>("/epochs/epoch");
  const auto loss = file.read<double>("/epochs/loss");
  const auto mrr = file.read<double>("/epochs/validation_mrr");
  if (loss.size() != epoch.size() || mrr.size() != epoch.size())
    fail(ExitStatus::kBadData, "'{}', /epochs: columns of different length", file.path().string());
  std::vector<EpochResult> epochs;
  for (std::size_t i = 0; i < epoch.size(); ++i) epochs.push_back({epoch[i], loss[i], mrr[i]});
  return summary(epochs);
}

Json evaluation_of(const storage::FileReader& file) {
  return {{"split", file.string("/", "split")},
          {"epoch", file.integer("/", "epoch")},
          {"queries", file.integer("/metrics/all", "queries")},
          {"MRR", file.real("/metrics/all", "realistic_mrr")}};
}

Json model_of(const storage::FileReader& file) {
  Json out = {{"model", file.string("/", "model")},
              {"dim", file.integer("/", "dim")},
              {"rows", file.find_string("/", "row_format").value_or("fp32")},
              {"members", Json::array()}};
  for (const std::string& member : file.children("/members")) {
    const std::string group = "/members/" + member;
    out["members"].push_back(fmt::format("{}, epoch {}, weight {}", file.string(group, "run"),
                                         file.integer(group, "epoch"), file.real(group, "weight")));
  }
  return out;
}

// Describes the evaluations that checksums.xxh3 lists, and names the other files.
Json results_in(const fs::path& folder) {
  Json out = Json::object();
  const auto checksums = storage::FolderChecksums::load(folder);
  for (const auto& [name, digest] : checksums.digests()) {
    const auto file = storage::FileReader::open_unverified(folder / name);
    out[name] = file.string("/", "kind") == "evaluation" ? evaluation_of(file) : Json::object();
  }
  return out;
}

std::string state_in_words(const checkpoint::RunState& state) {
  return fmt::format("{} after {}", state.finished ? "finished" : "not finished", in_words(state));
}

}  // namespace

void add_results(const storage::FileReader& file, Json& out) {
  const std::string kind = file.string("/", "kind");
  if (kind == train::kMetricsKind) out.update(metrics_of_columns(file));
  if (kind == "evaluation") out.update(evaluation_of(file));
  if (kind == checkpoint::kModelKind) out.update(model_of(file));
}

Json describe_metrics_log(const fs::path& file) {
  Json out = {{"what", "metrics log"}};
  out.update(metrics_of_log(file));
  return out;
}

Json describe_starts_log(const fs::path& file) { return {{"what", "log of starts"}, {"starts", starts_of(file)}}; }

Json describe_job(const fs::path& file) {
  const Job job = read_job(file);
  return {{"what", "job"},           {"graph", job.data.graph}, {"parts", job.data.parts},   {"run", job.run.folder},
          {"model", job.model.name}, {"dim", job.model.dim},    {"epochs", job.train.epochs}};
}

Json describe_checkpoint(const fs::path& folder) {
  const auto file = storage::FileReader::open_verified(folder / graph::kManifestFile, checkpoint::kCheckpointKind,
                                                       checkpoint::kCheckpointVersion);
  Json out = {{"what", "checkpoint"}, {"sound", verify_folder(folder)}};
  out["model"] = file.string("/", "model");
  out["dim"] = file.integer("/", "dim");
  out["parts"] = file.integer("/", "parts");
  out["epoch"] = file.integer("/", "epoch");
  const checkpoint::PartialEpoch partial = checkpoint::read_run_state(file).partial;
  if (partial.segment > 0)
    out["not a whole epoch"] = fmt::format("{} of {} segments of the next one", partial.segment, partial.segments);
  return out;
}

Json describe_checkpoints(const fs::path& folder) {
  const checkpoint::CheckpointStore store(folder.parent_path());
  Json out = {{"what", "checkpoints"}, {"checkpoints", Json::array()}};
  for (const checkpoint::Position& position : store.positions()) {
    const fs::path checkpoint = store.epoch_folder(position);
    verify_folder(checkpoint);
    out["checkpoints"].push_back(
        fmt::format("{}: {}", checkpoint.filename().string(), state_in_words(store.read_state(position))));
  }
  return out;
}

Json describe_exported(const fs::path& folder) {
  const Job job = read_job(folder / kJobFile);
  Json out = {{"what", "exported model"}, {"sound", verify_folder(folder)}, {"graph", job.data.graph}};
  out.update(model_of(storage::FileReader::open_unverified(folder / checkpoint::kModelFile)));
  out["results"] = results_in(folder);
  return out;
}

Json describe_ultra(const fs::path& folder) {
  const Job job = read_job(folder / kJobFile);
  const auto file = storage::FileReader::open_unverified(folder / propagation::kUltraFile);
  return {{"what", "weights of ULTRA"}, {"sound", verify_folder(folder)},     {"graph", job.data.graph},
          {"dim", job.model.dim},       {"from", file.string("/", "origin")}, {"results", results_in(folder)}};
}

Json describe_run(const fs::path& folder) {
  const Job job = read_job(folder / kJobFile);
  Json out = {{"what", "run"},
              {"sound", verify_folder(folder)},
              {"graph", job.data.graph},
              {"model", job.model.name},
              {"dim", job.model.dim}};
  const checkpoint::CheckpointStore store(folder);
  const auto positions = store.positions();
  out["state"] = positions.empty() ? "no complete checkpoint yet" : state_in_words(store.read_state(positions.back()));
  out["starts"] = starts_of(folder / train::kStartsLog);
  out["metrics"] = metrics_of_log(folder / train::kMetricsLog);
  out["checkpoints"] = describe_checkpoints(folder / checkpoint::kCheckpointsFolder)["checkpoints"];
  out["results"] = results_in(folder);
  return out;
}

}  // namespace tessera::cli
