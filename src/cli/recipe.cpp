// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/recipe.hpp"

#include "graph/graph_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace tessera::cli {
namespace {

/// An exact softmax is affordable up to here: its cost grows with triples times entities.
constexpr std::uint64_t kMostExactEntities = 100000;
/// Graphs of fewer entities overfit later: a weaker regulariser was better on UMLS, Kinship and Nations.
constexpr std::uint64_t kSmallEntities = 2000;
/// Steps of an epoch that a small graph gets.
constexpr std::uint64_t kSteps = 50;
constexpr std::uint64_t kValidateTriples = 5000;  // enough to choose an epoch

/// The tables of a job file that make a recipe.
constexpr std::array<std::string_view, 9> kTables = {
    "model.",   "train.",       "negatives.", "loss.",    "relation_prediction.",
    "dropout.", "regulariser.", "optimiser.", "schedule."};

bool is_of_recipe(const std::string& key) {
  return std::any_of(kTables.begin(), kTables.end(), [&](std::string_view table) { return key.starts_with(table); });
}

std::vector<std::string> settings_of(const Recipe& recipe) {
  std::vector<std::string> settings = {"model.name=complex",
                                       fmt::format("model.dim={}", recipe.dim),
                                       fmt::format("train.epochs={}", recipe.epochs),
                                       fmt::format("train.batch_size={}", recipe.batch),
                                       "regulariser.name=n3",
                                       fmt::format("regulariser.weight={}", recipe.weight),
                                       "optimiser.name=adagrad",
                                       fmt::format("optimiser.learning_rate={}", recipe.learning_rate),
                                       fmt::format("validate.every={}", recipe.validate_every),
                                       fmt::format("validate.max_triples={}", recipe.validate_triples)};
  if (recipe.validate_every > 0) settings.push_back(fmt::format("validate.patience={}", recipe.patience));
  if (recipe.groups) settings.emplace_back("train.group_queries=true");
  if (recipe.is_exact) {
    settings.insert(settings.end(), {"negatives.scope=all", "exchange.mode=queries"});
  } else {
    settings.insert(settings.end(), {"negatives.scope=global", fmt::format("negatives.count={}", recipe.negatives)});
  }
  return settings;
}

}  // namespace

GraphCounts count_graph(const std::filesystem::path& graph_folder) {
  const graph::GraphReader graph(graph_folder);
  return {graph.entity_count(), graph.triple_count(graph::Split::kTrain), graph.triple_count(graph::Split::kValid)};
}

Recipe choose_recipe(const GraphCounts& graph) {
  Recipe recipe;
  recipe.is_exact = graph.entities <= kMostExactEntities;
  recipe.is_small = graph.entities < kSmallEntities;
  recipe.groups = recipe.is_exact && !recipe.is_small;
  if (recipe.groups)
    recipe.batch = 200;
  else if (recipe.is_exact)
    recipe.batch = std::clamp<std::uint64_t>(2 * graph.train / kSteps, 100, 1000);
  else
    recipe.epochs = 30;
  if (recipe.is_small) {
    recipe.weight = 0.01;
    recipe.validate_every = 10;
  }
  recipe.validate_triples = std::min(kValidateTriples, graph.valid);
  if (graph.valid == 0) recipe.validate_every = 0;
  return recipe;
}

std::vector<std::string> recipe_of(const std::filesystem::path& job_file, const std::vector<std::string>& overrides) {
  const ConfigValues said = read_toml_file(job_file);
  if (std::any_of(said.begin(), said.end(), [](const auto& value) { return is_of_recipe(value.first); })) return {};
  const std::filesystem::path graph = read_job(job_file, overrides).data.graph;
  std::vector<std::string> settings = settings_of(choose_recipe(count_graph(graph)));
  std::erase_if(settings,
                [&](const std::string& setting) { return said.contains(setting.substr(0, setting.find('='))); });
  return settings;
}

Job read_training_job(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  std::vector<std::string> settings = recipe_of(file, overrides);
  settings.insert(settings.end(), overrides.begin(), overrides.end());
  return read_job(file, settings);
}

}  // namespace tessera::cli
