// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::cli {

/// What a recipe is chosen by.
struct GraphCounts {
  std::uint64_t entities = 0;
  std::uint64_t train = 0;  ///< triples
  std::uint64_t valid = 0;
};
/// Throws Error as GraphReader does.
GraphCounts count_graph(const std::filesystem::path& graph_folder);

/// How to train a graph of some size: ComplEx with an exact softmax where that is affordable, else with a sample of all
/// entities; N3; Adagrad. docs/performance.md has what it reaches.
struct Recipe {
  bool is_exact = false;
  bool groups = false;  ///< queries with all of their answers
  bool is_small = false;
  std::uint64_t dim = 200;
  std::uint64_t epochs = 100;  ///< at most
  std::uint64_t batch = 4096;
  std::uint64_t negatives = 512;  ///< where it is not exact
  double weight = 0.05;           ///< of N3
  double learning_rate = 0.1;
  std::uint64_t validate_every = 5;  ///< 0: the graph has no valid split
  std::uint64_t patience = 5;
  std::uint64_t validate_triples = 0;
};
Recipe choose_recipe(const GraphCounts& graph);

/// The settings, key=value each, that a job file leaves to the program: the recipe for its graph, where the file says
/// nothing of the model, its loss and its training, such as one with data.graph and run.folder alone. None otherwise.
/// Throws Error as read_job() and count_graph() do.
std::vector<std::string> recipe_of(const std::filesystem::path& job_file, const std::vector<std::string>& overrides);

/// read_job() with the recipe, which `overrides` change.
Job read_training_job(const std::filesystem::path& file, const std::vector<std::string>& overrides);

}  // namespace tessera::cli
