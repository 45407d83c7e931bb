// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/graph_parts.hpp"
#include "core/job.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "graph/graph_reader.hpp"
#include "storage/atomic.hpp"

#include <fmt/format.h>

#include <algorithm>
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

/// What a recipe is chosen by.
struct Sizes {
  std::uint64_t entities = 0;
  std::uint64_t train = 0;
  std::uint64_t valid = 0;
  std::uint64_t parts = 0;  ///< of the partition that is there, or 8
};

constexpr std::uint64_t kFewEntities = 16;  // fewer are one part

Sizes sizes_of(const Options& options) {
  const graph::GraphReader graph(options.graph);
  Sizes sizes{graph.entity_count(), graph.triple_count(graph::Split::kTrain), graph.triple_count(graph::Split::kValid),
              fewest_parts(options.graph).value_or(0)};
  if (sizes.parts == 0) sizes.parts = sizes.entities < kFewEntities ? 1 : Job().data.parts;
  return sizes;
}

/// An exact softmax is affordable up to here: its cost grows with triples times entities.
constexpr std::uint64_t kMostExactEntities = 100000;
/// Graphs of fewer entities overfit later: a weaker regulariser was better on UMLS, Kinship and Nations.
constexpr std::uint64_t kSmallEntities = 2000;
/// Steps of an epoch that a small graph gets.
constexpr std::uint64_t kSteps = 50;

std::uint64_t exact_batch(const Sizes& sizes) { return std::clamp<std::uint64_t>(2 * sizes.train / kSteps, 100, 1000); }

std::string loss_lines(const Sizes& sizes) {
  if (sizes.entities <= kMostExactEntities)
    return fmt::format(
        "[train]\n"
        "epochs = 100                # at most: training ends when validations get no better\n"
        "batch_size = {}            # queries of a step; a triple is two queries\n\n"
        "[negatives]\n"
        "scope = \"all\"               # each query is compared with all entities: exact, and affordable for this "
        "graph\n\n"
        "[exchange]\n"
        "mode = \"queries\"            # query vectors travel between ranks; \"rows\" suits larger graphs\n\n",
        exact_batch(sizes));
  return fmt::format(
      "[train]\n"
      "epochs = 30                 # at most: training ends when validations get no better\n"
      "batch_size = {}           # queries of a step; a triple is two queries\n\n"
      "[negatives]\n"
      "scope = \"global\"            # each query is compared with a sample of all entities\n"
      "count = {}                # entities in the sample\n\n",
      Job().train.batch_size, Job().negatives.count);
}

/// The job as text with comments.
std::string job_text(const Options& options, const Sizes& sizes) {
  const std::string folder = fs::path(options.output).stem().string() + "-run";
  std::string text = fmt::format(
      "# A job for '{}': {} entities, {} training triples. docs/user/job_file.md explains every key.\n"
      "#\n"
      "#   tessera partition {}\n"
      "#   mpirun -n 2 tessera train {}      # or without mpirun, or with key=value behind it\n"
      "#   tessera evaluate {}\n\n",
      options.graph, text::with_thousands(sizes.entities), text::with_thousands(sizes.train), options.output,
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
      "dim = 200                   # numbers in an entity row; more is better and slower, up to a point\n\n",
      options.graph, sizes.parts, folder);
  text += loss_lines(sizes);
  const bool is_small = sizes.entities < kSmallEntities;
  text += fmt::format(
      "[regulariser]\n"
      "name = \"n3\"\n"
      "weight = {}               # the key to try first: 0.01, 0.02, 0.05, 0.1, 0.2\n\n"
      "[optimiser]\n"
      "name = \"adagrad\"\n"
      "learning_rate = 0.1\n\n",
      is_small ? "0.01" : "0.05");
  if (sizes.valid == 0) return text + "[validate]\nevery = 0                   # the graph has no valid split\n";
  return text + fmt::format(
                    "[validate]\n"
                    "every = {:<2}                  # epochs; the best checkpoint is kept\n"
                    "patience = 5                # end after so many validations without a better one\n"
                    "max_triples = {}          # a sample of the valid split is enough to choose an epoch\n",
                    is_small ? 10 : 5, std::min<std::uint64_t>(5000, sizes.valid));
}

void init(const Options& options) {
  const fs::path output = options.output;
  if (fs::exists(output)) fail(ExitStatus::kUsage, "'{}' exists; name another file with -o", options.output);
  const std::string text = job_text(options, sizes_of(options));
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
