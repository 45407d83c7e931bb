// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/model_file.hpp"
#include "checkpoint/score_sum.hpp"
#include "cli/command.hpp"
#include "cli/graph_model.hpp"
#include "cli/option_checks.hpp"
#include "cli/results_json.hpp"
#include "cli/run_context.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "exports/export.hpp"
#include "graph/graph_reader.hpp"
#include "memory/budget.hpp"
#include "memory/pool.hpp"
#include "storage/atomic.hpp"
#include "storage/checksum.hpp"

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using exports::ExportFormat;

const std::map<std::string, ExportFormat> kFormats = {{"hdf5", ExportFormat::kHdf5},
                                                      {"npy", ExportFormat::kNpy},
                                                      {"tsv", ExportFormat::kTsv},
                                                      {"safetensors", ExportFormat::kSafetensors}};

struct Options {
  std::vector<std::string> words;  // runs, and key=value
  std::string output;
  std::string format = "hdf5";
  std::string rows = "fp32";
  std::vector<double> weights;
  std::optional<std::uint64_t> epoch;
  bool json = false;
};

struct Words {
  std::vector<std::string> runs;
  std::vector<std::string> overrides;
};

Words sort_words(const Options& options) {
  Words words;
  for (const std::string& word : options.words) {
    const bool is_override = word.find('=') != std::string::npos && !fs::exists(word);
    (is_override ? words.overrides : words.runs).push_back(word);
  }
  if (words.runs.empty()) fail(ExitStatus::kUsage, "name at least one run to export");
  if (!options.weights.empty() && options.weights.size() != words.runs.size())
    fail(ExitStatus::kUsage, "--weight has {} numbers; it takes one for each run, here {}", options.weights.size(),
         words.runs.size());
  if (options.epoch && words.runs.size() > 1)
    fail(ExitStatus::kUsage, "--epoch is for one run; of several, the best checkpoint of each is taken");
  if (options.rows != "fp32" && options.format != "hdf5")
    fail(ExitStatus::kUsage, "--rows {} is for --format hdf5; other programs get fp32", options.rows);
  return words;
}

checkpoint::Member open_member(const Job& job, const std::string& name, const Options& options, std::size_t i) {
  require_vectors(job, "'export' writes vectors");
  const fs::path partition = graph::partition_folder(job.data.graph, job.data.parts);
  return {checkpoint::open_stored_model(job.run.folder, partition, options.epoch), name,
          options.weights.empty() ? 1 : options.weights[i]};
}

// The names are read from this graph: it must be the one that the models are of.
graph::GraphReader open_graph(const Job& job, const checkpoint::ModelShape& shape) {
  graph::GraphReader graph(job.data.graph);
  if (graph.digest() != shape.graph_digest)
    fail(ExitStatus::kBadData, "graph '{}' is not the one that '{}' was trained on", job.data.graph, job.run.folder);
  return graph;
}

// The job of the exported model. It holds the graph, the partition and the model, for evaluate, predict and info. A sum
// has no recipe of its own.
Job job_of_model(const Job& first, const checkpoint::ScoreSum& model, const std::string& folder) {
  Job job = first;
  if (model.origins().size() > 1) {
    job = {};
    job.data = first.data;
    job.run = first.run;
    job.model.name = model.shape().name;
    job.model.dim = model.shape().dim;
  }
  job.run.folder = folder;
  return with_absolute_paths(job);
}

void list_files(const fs::path& folder) {
  auto checksums = storage::FolderChecksums::load(folder);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  for (const std::string& name : names)
    if (name != kJobFile) checksums.record(name);  // which people may change
  checksums.commit();
}

void print(const checkpoint::ScoreSum& model, const Options& options) {
  if (options.json) {
    std::printf("%s\n", to_json(model).c_str());
    return;
  }
  const checkpoint::ModelShape& shape = model.shape();
  std::printf("wrote       %s (%s)\n", options.output.c_str(), options.format.c_str());
  std::printf("model       %s, dim %s, %s entities, %s relations\n", shape.name.c_str(),
              text::with_thousands(shape.dim).c_str(), text::with_thousands(shape.entity_count).c_str(),
              text::with_thousands(shape.relation_count).c_str());
  std::printf("rows        %s, %s each\n", options.rows.c_str(),
              text::bytes(kernels::row_bytes(exports::serving_format(options.rows), shape.dim)).c_str());
  for (const checkpoint::ModelOrigin& origin : model.origins())
    std::printf("of          %s, epoch %llu, weight %g\n", origin.run.c_str(),
                static_cast<unsigned long long>(origin.epoch), origin.weight);
}

void export_runs(comm::Communicator& comm, const Options& options) {
  const Words words = sort_words(options);
  exports::ExportOptions how{kFormats.at(options.format), exports::serving_format(options.rows)};
  std::vector<Job> jobs;
  std::vector<checkpoint::Member> members;
  for (const std::string& run : words.runs) {
    jobs.push_back(job_of_run(comm, run, words.overrides));
    members.push_back(open_member(with_absolute_paths(jobs.back()), run, options, members.size()));
  }
  const checkpoint::ScoreSum model(std::move(members));
  const graph::GraphReader graph = open_graph(jobs.front(), model.shape());
  const Job job = job_of_model(jobs.front(), model, options.output);
  how.threads = thread_count(job, comm);
  memory::Pool pool(memory::find_budget(job.run.memory, 1).host_bytes);
  storage::AtomicFolder folder(options.output);
  storage::require_space(folder.temporary(), exports::export_bytes(model.shape(), how));
  exports::export_model(model, graph, how, folder.temporary(), pool);
  if (how.format == ExportFormat::kHdf5)
    storage::write_text(folder.temporary() / kJobFile, to_toml(job));
  else
    storage::write_text(folder.temporary() / "model.json", to_json(model, 2) + "\n");
  list_files(folder.temporary());
  folder.commit();
  print(model, options);
}

}  // namespace

Command add_export(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser
      .add("runs", options->words,
           "Run folders, job files or exported models; of several, one model whose scores are the sum of theirs "
           "(complex, distmult, cp). key=value for their jobs, for example data.graph=FOLDER")
      .required();
  parser.add("-o,--output", options->output, "Folder to write; must not exist").check(not_empty()).required();
  parser
      .add("--format", options->format,
           "hdf5: what evaluate, predict and info read like a run; npy, tsv, safetensors: for other programs")
      .check(one_of({"hdf5", "npy", "tsv", "safetensors"}))
      .show_default();
  parser
      .add(
          "--rows", options->rows,
          "Format of entity rows in hdf5: fp32, bf16, fp16, or int8 and int4 in groups of 32 numbers with a scale each")
      .check(one_of(exports::serving_formats()))
      .show_default();
  parser.add("--weight", options->weights, "By which the scores of each run are multiplied (default: 1)")
      .check(positive_number())
      .type_name("NUMBER");
  parser.add("--epoch", options->epoch, "Checkpoint of a single run (default: the best by validation, else the newest)")
      .check(whole_number(0));
  parser.add_flag("--json", options->json, "Print what was written as JSON");
  parser.epilogue(
      "Examples:\n"
      "  tessera export RUN -o MODEL                                the served model as one HDF5 file in a folder\n"
      "  tessera export RUN -o SMALL --rows int8                    the same in about a quarter of the bytes\n"
      "  tessera export RUN -o VECTORS --format npy                 entities.npy, relations.npy and their names\n"
      "  tessera export RUN1 RUN2 -o BOTH --weight 0.5 0.5          an ensemble; then: tessera evaluate BOTH\n");
  return {[options](comm::Communicator& comm) { export_runs(comm, *options); }};
}

}  // namespace tessera::cli
