// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/graph_parts.hpp"
#include "cli/recipe.hpp"
#include "core/job.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "storage/atomic.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string graph;
  std::string output = "job.toml";
};

constexpr std::uint64_t kFewEntities = 16;  // fewer are one part

/// Parts of the partition that is there, or a default.
std::uint64_t parts_of(const Options& options, const GraphCounts& graph) {
  return fewest_parts(options.graph).value_or(graph.entities < kFewEntities ? 1 : Job().data.parts);
}

std::string loss_lines(const Recipe& recipe) {
  std::string text = fmt::format(
      "[train]\n"
      "epochs = {:<3}                # at most: training ends when validations get no better\n"
      "batch_size = {:<4}           # queries of a step; a triple is two queries\n",
      recipe.epochs, recipe.batch);
  if (recipe.groups) text += "group_queries = true        # a query comes once in an epoch, with all of its answers\n";
  if (!recipe.is_exact)
    return text + fmt::format(
                      "\n[negatives]\n"
                      "scope = \"global\"            # each query is compared with a sample of all entities\n"
                      "count = {}                 # entities in the sample\n\n",
                      recipe.negatives);
  return text +
         "\n[negatives]\n"
         "scope = \"all\"               # each query is compared with all entities: exact, and affordable for this "
         "graph\n\n"
         "[exchange]\n"
         "mode = \"queries\"            # query vectors travel between ranks; \"rows\" suits larger graphs\n\n";
}

/// The job as text with comments.
std::string job_text(const Options& options, const GraphCounts& graph) {
  const Recipe recipe = choose_recipe(graph);
  const std::string folder = fs::path(options.output).stem().string() + "-run";
  std::string text = fmt::format(
      "# A job for '{}': {} entities, {} training triples. docs/user/job_file.md explains every key.\n"
      "#\n"
      "#   tessera partition {}\n"
      "#   mpirun -n 2 tessera train {}      # or without mpirun, or with key=value behind it\n"
      "#   tessera evaluate {}\n\n",
      options.graph, text::with_thousands(graph.entities), text::with_thousands(graph.train), options.output,
      options.output, options.output);
  text += fmt::format(
      "[data]\n"
      "graph = \"{}\"\n"
      "parts = {}                   # ranks share the parts: at most so many ranks\n\n"
      "[run]\n"
      "folder = \"{}\"         # checkpoints, metrics and evaluations; must not exist yet\n"
      "seed = 1                    # same seed, same bits, on any number of ranks\n\n"
      "[model]\n"
      "name = \"complex\"            # docs/user/models.md has the others\n"
      "dim = {}                   # numbers in an entity row; more is better and slower, up to a point\n\n",
      options.graph, parts_of(options, graph), folder, recipe.dim);
  text += loss_lines(recipe);
  text += fmt::format(
      "[regulariser]\n"
      "name = \"n3\"\n"
      "weight = {}               # the key to try first: 0.01, 0.02, 0.05, 0.1, 0.2\n\n"
      "[optimiser]\n"
      "name = \"adagrad\"\n"
      "learning_rate = {}\n\n",
      recipe.weight, recipe.learning_rate);
  if (recipe.validate_every == 0)
    return text + "[validate]\nevery = 0                   # the graph has no valid split\n";
  return text + fmt::format(
                    "[validate]\n"
                    "every = {:<2}                  # epochs; the best checkpoint is kept\n"
                    "patience = {}                # end after so many validations without a better one\n"
                    "max_triples = {}          # a sample of the valid split is enough to choose an epoch\n",
                    recipe.validate_every, recipe.patience, recipe.validate_triples);
}

void init(const Options& options) {
  const fs::path output = options.output;
  if (fs::exists(output)) fail(ExitStatus::kUsage, "'{}' exists; name another file with -o", options.output);
  const std::string text = job_text(options, count_graph(options.graph));
  storage::write_text(output, text);
  (void)read_job(output);
  log::info("wrote '{}'; next: tessera partition {}, then tessera train {}", options.output, options.output,
            options.output);
}

}  // namespace

Command add_init(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("graph", options->graph, "Graph folder that 'tessera import' made").required();
  parser.add("-o,--output", options->output, "Job file to write; must not exist").show_default();
  parser.epilogue(
      "The job has the keys that matter most, with values that suit the size of the graph, and says what they mean.\n");
  return {[options](comm::Communicator& /*comm*/) { init(*options); }};
}

}  // namespace tessera::cli
