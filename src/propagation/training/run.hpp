// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"
#include "core/job.hpp"
#include "core/progress.hpp"
#include "graph/shard.hpp"
#include "propagation/trained_model.hpp"
#include "propagation/training/step.hpp"
#include "train/loop/epoch_line.hpp"
#include "train/loop/metrics_log.hpp"
#include "train/loop/save_times.hpp"
#include "train/loop/trainer.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::propagation {

/// Refuses settings that do not fit a model of this kind. Throws Error(kUsage) that names one and what fits.
void check_graph_job(const Job& job);

/// Settings that such a model does not use, "key (why)" each: for a warning.
std::vector<std::string> idle_graph_settings(const Job& job);

/// Makes the model of a job for training. Throws Error(kOverBudget).
std::unique_ptr<Learner> make_learner(const Job& job, const MessageGraph& graph, memory::Pool& pool);

/// What a run is made of; all of it outlives the run.
struct RunSetup {
  comm::Communicator& comm;
  const graph::Shard& shard;
  const Job& job;
  Learner& learner;
  Training& training;
  const std::vector<std::string>& relations;  ///< names
  const Tensors* start = nullptr;             ///< weights to start from; null: random ones
  std::string start_file;
};

/// A run from start to end, as train::Trainer: segments of epochs, validation, checkpoints, metrics. A checkpoint is a
/// manifest: parameters and states of all ranks are the same.
class Run {
 public:
  /// Collective. With `resume` continues from the newest whole checkpoint. Throws AgreedError as train::Trainer does.
  Run(const RunSetup& setup, bool resume);

  [[nodiscard]] checkpoint::Position position() const { return state_.position(); }
  /// The model as it is now, for validations.
  [[nodiscard]] TrainedModel model() const;
  /// Collective.
  train::Outcome run(const train::TrainerHooks& hooks);

 private:
  void begin(bool resume);
  checkpoint::RunState load(checkpoint::Position position);
  void check_state() const;
  void write_run_folder();
  [[nodiscard]] std::uint64_t segment_steps() const;
  [[nodiscard]] std::uint64_t segments() const;
  void train_segment(Progress& progress, const train::TrainerHooks& hooks);
  void end_epoch(Progress& progress, const train::TrainerHooks& hooks);
  void record(const train::TrainerHooks& hooks, train::EpochRecord record);
  void log_epoch(Progress& progress) const;
  [[nodiscard]] bool is_due(std::uint64_t every) const;
  [[nodiscard]] bool no_longer_improves() const;
  [[nodiscard]] bool is_at_end() const;
  [[nodiscard]] bool must_save() const;
  bool is_stop_asked(const train::TrainerHooks& hooks);
  void save(const train::TrainerHooks& hooks);
  [[nodiscard]] std::string digest() const;

  RunSetup setup_;
  checkpoint::CheckpointStore checkpoints_;
  checkpoint::RunState state_;
  std::optional<train::MetricsLog> metrics_;  // rank 0
  train::SaveTimes saves_;
  train::TimeLeft time_left_;
  std::uint64_t bytes_sent_ = 0;
  StageTimes stages_;  // at the end of the epoch before
  double last_loss_;
};

}  // namespace tessera::propagation
