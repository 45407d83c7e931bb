// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/run_state.hpp"
#include "core/job.hpp"
#include "graph/partition_manifest.hpp"
#include "report/evaluation_figures.hpp"
#include "train/loop/metrics_log.hpp"
#include "train/loop/placement.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tessera::report {

/// Sizes of the graph of a run.
struct DataFigures {
  std::uint64_t entities = 0;
  std::uint64_t relations = 0;
  std::array<std::uint64_t, 3> triples{};  ///< by split
};

/// Sums over the epochs of a run.
struct RunTimes {
  StageTimes stages;
  double training_seconds = 0;
  double saving_seconds = 0;  ///< that training stood still for checkpoints
  std::uint64_t bytes_sent = 0;
};

/// The sections of a report that a run may lack.
enum class Section { kData, kLearning, kEvaluation, kMemory, kPartition, kEnvironment };
/// "data", "learning", ...
const char* name(Section section);

/// All that a run folder, or a folder with an exported model, says about itself.
struct RunFigures {
  std::filesystem::path folder;
  std::string name;  ///< of the folder; the whole path where two runs of a report have the same
  Job job;
  std::optional<checkpoint::RunState> state;  ///< of the newest checkpoint
  std::vector<train::EpochRecord> epochs;
  std::vector<train::Start> starts;
  std::optional<DataFigures> data;
  std::optional<graph::PartitionManifest> partition;  ///< without ids
  std::optional<EvaluationFigures> evaluation;
  std::map<Section, std::string> missing;  ///< what a section lacks and which command makes it, in one sentence

  [[nodiscard]] RunTimes times() const;
  /// The record with the best validation MRR; null without validation.
  [[nodiscard]] const train::EpochRecord* best_epoch() const;
  /// The newest start that says what it planned; null when none does.
  [[nodiscard]] const train::Start* planned_start() const;
};

/// `run` is a run folder or the job file that made it. Throws Error: kMissingInput when it is no run, kBadData for a
/// damaged file.
RunFigures read_run(const std::filesystem::path& run, const EvaluationOptions& options);

/// The state in the newest checkpoint of a run; nothing without one. Training may write and remove checkpoints
/// meanwhile. Throws Error(kBadData).
std::optional<checkpoint::RunState> newest_state(const std::filesystem::path& folder);

/// The folder that `run` names. Throws Error(kMissingInput).
std::filesystem::path run_folder_of(const std::filesystem::path& run);

}  // namespace tessera::report
