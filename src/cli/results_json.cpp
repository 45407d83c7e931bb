// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/results_json.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace tessera::cli {

using Json = nlohmann::ordered_json;

std::string to_json(const train::Outcome& outcome, const Job& job, const std::optional<memory::DeviceUse>& device_use) {
  Json out;
  out["best_epoch"] = outcome.state.best_epoch;
  out["best_validation_mrr"] = outcome.state.best_mrr;
  if (device_use) {
    Json& use = out["device_memory"];
    use["measured_bytes"] = device_use->measured_bytes;
    use["planned_bytes"] = device_use->planned_bytes;
  }
  out["epochs"] = outcome.state.epoch;
  out["loss"] = outcome.final_loss;
  out["parameter_digest"] = outcome.parameter_digest;
  out["run"] = job.run.folder;
  if (outcome.state.partial.segment > 0) {
    out["segment"] = outcome.state.partial.segment;
    out["segments"] = outcome.state.partial.segments;
  }
  return out.dump();
}

std::string to_json(const checkpoint::ScoreSum& model, int indent) {
  const checkpoint::ModelShape& shape = model.shape();
  Json out;
  out["model"] = shape.name;
  out["dim"] = shape.dim;
  out["relation_dim"] = shape.relation_dim;
  out["operator_dim"] = shape.operator_dim;
  out["entities"] = shape.entity_count;
  out["relations"] = shape.relation_count;
  out["graph_digest"] = shape.graph_digest;
  for (const checkpoint::ModelOrigin& origin : model.origins()) {
    Json member;
    member["run"] = origin.run;
    member["epoch"] = origin.epoch;
    member["validation_mrr"] = origin.validation_mrr;
    member["digest"] = origin.digest;
    member["weight"] = origin.weight;
    member["job"] = origin.job;
    out["members"].push_back(std::move(member));
  }
  return out.dump(indent);
}

}  // namespace tessera::cli
