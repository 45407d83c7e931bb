// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/trained_model.hpp"

#include "checkpoint/model_file.hpp"
#include "core/error.hpp"
#include "graph/graph_reader.hpp"
#include "propagation/nbfnet.hpp"
#include "propagation/ultra.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

namespace tessera::propagation {
namespace {

constexpr const char* kNames = "/relations/names";

/// For each relation of the graph, its row in the model.
std::vector<std::uint32_t> rows_of(const TrainedModel& model, const std::string& file,
                                   const std::vector<std::string>& relations) {
  std::map<std::string, std::uint32_t> known;
  for (const std::string& name : model.relations) known.emplace(name, static_cast<std::uint32_t>(known.size()));
  std::vector<std::uint32_t> rows;
  for (const std::string& name : relations) {
    const auto found = known.find(name);
    if (found == known.end())
      fail(ExitStatus::kUsage,
           "relation '{}' of the graph is not among the {} that '{}' was trained with; an 'ultra' model answers about "
           "any relation",
           name, known.size(), file);
    rows.push_back(found->second);
  }
  return rows;
}

}  // namespace

std::vector<std::string> relation_names(const std::filesystem::path& graph_folder) {
  std::vector<std::string> names;
  const graph::GraphReader graph(graph_folder);
  checkpoint::for_each_name(graph.relation_names(), [&](std::string_view name) { names.emplace_back(name); });
  return names;
}

void write_trained(storage::FileWriter& manifest, const TrainedModel& model) {
  manifest.attribute("/", "model", model.name);
  write_tensors(manifest, model.tensors);
  std::vector<std::uint8_t> bytes;
  for (const std::string& name : model.relations) {
    bytes.insert(bytes.end(), name.begin(), name.end());
    bytes.push_back(0);
  }
  manifest.write<std::uint8_t>(kNames, bytes, {"names of relations by id, each with a zero at its end"});
}

TrainedModel read_trained(const storage::FileReader& manifest) {
  if (!manifest.has("/tensors"))
    fail(ExitStatus::kBadData, "'{}' has no tensors: it is of another kind of model", manifest.path().string());
  TrainedModel model{manifest.string("/", "model"), read_tensors(manifest), {}};
  std::string name;
  for (const std::uint8_t byte : manifest.read<std::uint8_t>(kNames)) {
    if (byte != 0) {
      name.push_back(static_cast<char>(byte));
      continue;
    }
    model.relations.push_back(std::move(name));
    name.clear();
  }
  return model;
}

std::unique_ptr<GraphScores> open_trained(const TrainedModel& model, const std::string& file,
                                          const std::vector<std::string>& relations,
                                          std::shared_ptr<const MessageGraph> graph,
                                          const execution::HostExecutor& host) {
  if (model.name == kUltraName) return make_ultra(take_weights(model.tensors, file), std::move(graph), host);
  NbfnetWeights weights = take_nbfnet_weights(model.tensors, file);
  if (weights.relations != 2 * model.relations.size())
    fail(ExitStatus::kBadData, "'{}' has rows of {} relations and names of {}", file, weights.relations / 2,
         model.relations.size());
  if (model.relations != relations) weights = with_relations(weights, rows_of(model, file, relations));
  return make_nbfnet(std::move(weights), std::move(graph), host);
}

}  // namespace tessera::propagation
