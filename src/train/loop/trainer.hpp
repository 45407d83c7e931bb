// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/saving.hpp"
#include "checkpoint/table_copy.hpp"
#include "comm/communicator.hpp"
#include "core/job.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "train/engine.hpp"
#include "train/loop/epoch_line.hpp"
#include "train/loop/metrics_log.hpp"
#include "train/loop/save_times.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::train {

/// The figures of a validation.
struct Validation {
  double mrr = 0;
  std::vector<HitsAt> hits = {};
};

/// Functions that a training run calls. Training does not know how models are evaluated, or how a program is told to
/// stop.
struct TrainerHooks {
  /// Collective. Returns the figures of a validation, the same on every rank. Where the parameters keep averages, they
  /// are those of the averages. Empty: no validation.
  std::function<Validation()> validation;
  /// Splits whose known answers it leaves out, as logs name them.
  std::string validation_filter;
  /// Returns the device memory of this rank so far. Empty on all ranks where no rank has a device.
  std::function<memory::DeviceUse()> device_use;
  /// Bytes that this rank handed to other ranks' devices since the start, beside those of the communicator. Empty:
  /// none.
  std::function<std::uint64_t()> device_bytes_sent;
  /// On rank 0, before it writes: throws when the run folder is no longer this training's.
  std::function<void()> require_folder;
  /// Set by a signal handler; asks for an orderly stop after the current segment.
  const std::atomic<bool>* stop = nullptr;
};

struct Outcome {
  checkpoint::RunState state;
  bool stopped_early = false;       ///< validation no longer improved
  bool stopped_on_request = false;  ///< state says where
  double final_loss = 0;            ///< loss of the last epoch, also of an earlier session; NaN when there was none
  std::string parameter_digest;     ///< digest of the parameters after the last segment
};

/// A run from start to end: segments of epochs, validation, checkpoints, metrics. A run can stop after every segment.
/// The run folder is made when everything else is ready.
class Trainer {
 public:
  /// Collective. With `resume` continues from the newest whole checkpoint, if there is one; a job that would make it
  /// another run is an AgreedError(kUsage), and so is an existing run folder without `resume`. `engine` was made of
  /// `setup`.
  Trainer(const EngineSetup& setup, Engine& engine, bool resume);

  /// Where the run stands before run(): not at its start where it is continued.
  [[nodiscard]] checkpoint::Position position() const { return state_.position(); }

  /// Collective.
  Outcome run(const TrainerHooks& hooks);

 private:
  void open_run_folder(bool resume);
  void write_run_folder();
  void check_state() const;
  void recall_times();
  void train_segment(Progress& progress, const TrainerHooks& hooks);
  void collect_use();
  void end_epoch(Progress& progress, const TrainerHooks& hooks);
  [[nodiscard]] bool is_between_epochs() const { return state_.partial.segment == 0; }
  [[nodiscard]] bool is_at_end() const;
  [[nodiscard]] double epochs_done() const;
  bool is_stop_asked(const TrainerHooks& hooks);
  void take_parameters();
  void require_finite_rows();
  [[nodiscard]] bool needs_parameters(std::uint64_t epoch) const;
  void validate(const TrainerHooks& hooks, EpochRecord& record);
  [[nodiscard]] memory::DeviceUse largest(const memory::DeviceUse& use);
  [[nodiscard]] StageTimes longest(const StageTimes& times);
  void record(const TrainerHooks& hooks, EpochRecord record);
  void log_epoch(Progress& progress) const;
  [[nodiscard]] bool must_save() const;
  void prepare_saving(memory::Pool& pool);
  std::vector<checkpoint::PartToSave> parts_to_save(bool is_behind);
  void save(const TrainerHooks& hooks, bool goes_on);
  void advance_saving();
  void finish_saving();
  [[nodiscard]] bool no_longer_improves() const;
  [[nodiscard]] bool is_due(std::uint64_t every) const { return is_due(every, state_.epoch); }
  [[nodiscard]] bool is_due(std::uint64_t every, std::uint64_t epoch) const;

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  Job job_;
  model::Parameters& parameters_;
  Engine& engine_;
  const memory::Pool& pool_;
  std::size_t threads_;
  checkpoint::CheckpointStore checkpoints_;
  checkpoint::RunState state_;
  bool some_hold_parameters_;          // the engine of at least one rank holds parameters; the same on all ranks
  std::optional<MetricsLog> metrics_;  // rank 0
  bool parameters_are_taken_ = true;   // parameters_ holds the parameters of the engine
  std::uint64_t bytes_sent_ = 0;       // by this rank, since collect_use()
  StageTimes stages_;                  // likewise
  SaveTimes saves_;
  TimeLeft time_left_;
  std::optional<checkpoint::TableCopy> copy_;   // of the parts of this rank, where training changes them
  bool saves_behind_ = false;                   // checkpoints are written while training goes on; the same on all ranks
  std::vector<checkpoint::SavedFile> saved_;    // the files of this rank in the newest checkpoint of this session
  std::unique_ptr<checkpoint::Saving> saving_;  // the checkpoint that is not whole yet, on all ranks
  double last_loss_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace tessera::train
