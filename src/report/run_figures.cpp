// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "report/run_figures.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/model_file.hpp"
#include "core/error.hpp"
#include "evaluate/rank_file.hpp"
#include "graph/graph_reader.hpp"

#include <algorithm>

namespace tessera::report {
namespace {

namespace fs = std::filesystem;

// The file is one that the program wrote: a fault in it is damage.
Job read_run_job(const fs::path& folder) {
  try {
    return read_job(folder / kJobFile);
  } catch (const Error& error) {
    fail(ExitStatus::kBadData, "run '{}': {}", folder.string(), error.what());
  }
}

void add_training(RunFigures& run) {
  run.state = newest_state(run.folder);
  run.epochs = train::read_metrics(run.folder / train::kMetricsLog);
  run.starts = train::read_starts(run.folder / train::kStartsLog);
  const std::string job = (run.folder / kJobFile).string();
  const bool is_exported = checkpoint::is_exported(run.folder);
  if (run.epochs.empty())
    run.missing[Section::kLearning] =
        is_exported ? "This is an exported model: its run has the learning curve."
                    : fmt::format("No epoch is complete yet; 'tessera train {} --resume' trains.", job);
  if (run.planned_start() == nullptr)
    run.missing[Section::kMemory] = fmt::format("The run does not say what was planned; 'tessera plan {}' does.", job);
  if (run.starts.empty())
    run.missing[Section::kEnvironment] =
        fmt::format("No start of training is recorded; 'tessera train {} --resume' records them.", job);
}

// The names are of the graph that was evaluated, or none.
RelationNames names_of(const graph::GraphReader& reader) {
  RelationNames out;
  const storage::StringBlocks names = reader.relation_names();
  for (std::uint64_t block = 0; block < names.block_count(); ++block)
    for (std::string& name : names.block(block)) out.push_back(std::move(name));
  return out;
}

std::optional<graph::GraphReader> find_graph(RunFigures& run) {
  const std::string& graph = run.job.data.graph;
  if (fs::exists(graph)) return graph::GraphReader(graph);
  run.missing[Section::kData] = fmt::format(
      "The graph '{}' is not there: its sizes and the names of relations are missing; 'tessera import' "
      "makes graphs.",
      graph);
  return std::nullopt;
}

void add_data(const graph::GraphReader& reader, RunFigures& run) {
  DataFigures& data = run.data.emplace();
  data.entities = reader.entity_count();
  data.relations = reader.relation_count();
  for (const graph::Split split : graph::kSplits)
    data.triples.at(static_cast<std::size_t>(split)) = reader.triple_count(split);
}

void add_partition(RunFigures& run) {
  const Job::Data& data = run.job.data;
  const fs::path folder = graph::partition_folder(data.graph, data.parts);
  if (fs::exists(folder))
    run.partition = graph::read_manifest(folder, false);
  else
    run.missing[Section::kPartition] =
        fmt::format("The partition is not there; 'tessera partition {} --parts {}' makes it.", data.graph, data.parts);
}

void add_evaluation(const std::optional<graph::GraphReader>& graph, const EvaluationOptions& options, RunFigures& run) {
  const fs::path file = run.folder / evaluate::rank_file_name(options.split);
  if (!fs::exists(file)) {
    const char* split = graph::name(options.split);
    run.missing[Section::kEvaluation] =
        fmt::format("The {} split was not ranked yet; 'tessera evaluate {} --split {}' ranks it.", split,
                    run.folder.string(), split);
    return;
  }
  run.evaluation = read_evaluation_figures(file, graph ? names_of(*graph) : RelationNames{}, options);
  if (!graph || graph->digest() == run.evaluation->stored.graph_digest) return;
  run.missing[Section::kData] = fmt::format(
      "The graph '{}' is another one than the one that was ranked: relations have numbers in place of names; 'tessera "
      "evaluate {}' ranks again.",
      run.job.data.graph, run.folder.string());
  run.evaluation = read_evaluation_figures(file, {}, options);
}

}  // namespace

const char* name(Section section) {
  switch (section) {
    case Section::kData: return "data";
    case Section::kLearning: return "learning";
    case Section::kEvaluation: return "evaluation";
    case Section::kMemory: return "memory";
    case Section::kPartition: return "partition";
    case Section::kEnvironment: break;
  }
  return "environment";
}

RunTimes RunFigures::times() const {
  RunTimes times;
  for (const train::EpochRecord& epoch : epochs) {
    times.stages += epoch.stages;
    times.training_seconds += epoch.seconds;
    times.saving_seconds += epoch.saves.stopped;
    times.bytes_sent += epoch.bytes_sent;
  }
  return times;
}

const train::EpochRecord* RunFigures::best_epoch() const {
  const train::EpochRecord* best = nullptr;
  for (const train::EpochRecord& epoch : epochs)
    if (epoch.validation_mrr && (best == nullptr || *epoch.validation_mrr > *best->validation_mrr)) best = &epoch;
  return best;
}

const train::Start* RunFigures::planned_start() const {
  const auto found = std::find_if(starts.rbegin(), starts.rend(),
                                  [](const auto& start) { return start.circumstances.planned_bytes.has_value(); });
  return found == starts.rend() ? nullptr : &*found;
}

std::optional<checkpoint::RunState> newest_state(const fs::path& folder) {
  const checkpoint::CheckpointStore store(folder);
  for (int tries = 3;; --tries) {
    const auto positions = store.positions();
    if (positions.empty()) return std::nullopt;
    try {
      return store.read_state(positions.back());
    } catch (const Error&) {
      if (tries == 1) throw;  // else it may have been removed for a newer one
    }
  }
}

fs::path run_folder_of(const fs::path& run) {
  if (!fs::exists(run))
    fail(ExitStatus::kMissingInput, "'{}' does not exist; name a run folder or its job file", run.string());
  fs::path folder = fs::is_directory(run) ? run : fs::path(read_job(run).run.folder);
  if (!fs::exists(folder / kJobFile))
    fail(ExitStatus::kMissingInput, "'{}' is not a run folder: it has no {}", folder.string(), kJobFile);
  return folder;
}

RunFigures read_run(const fs::path& path, const EvaluationOptions& options) {
  RunFigures run;
  run.folder = run_folder_of(path);
  run.name = fs::weakly_canonical(fs::absolute(run.folder)).filename().string();
  run.job = read_run_job(run.folder);
  add_training(run);
  const std::optional<graph::GraphReader> graph = find_graph(run);
  if (graph) add_data(*graph, run);
  add_partition(run);
  add_evaluation(graph, options, run);
  return run;
}

}  // namespace tessera::report
