// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace tessera::train {

/// How long segments and checkpoints take, and when the next checkpoint is due.
class SaveTimes {
 public:
  struct Seconds {
    double stopped = 0;  ///< that training stood still
    double writing = 0;  ///< from the beginning of a checkpoint until it was whole
  };

  /// `every`: seconds between two checkpoints; 0: time does not matter.
  explicit SaveTimes(double every);

  void segment_took(double seconds);
  /// Training stood still for a checkpoint.
  void stopped_for(double seconds);
  /// A checkpoint holds the parameters of this moment. With `writes_behind`, training goes on while it is written.
  void began(bool writes_behind);
  /// A checkpoint is whole.
  void was_written(double seconds);
  /// Of all checkpoints since the call before.
  Seconds take_seconds();

  [[nodiscard]] bool go_by_time() const { return every_ > 0; }
  /// The clock of this rank asks for a checkpoint.
  [[nodiscard]] bool is_time() const;
  /// What the ranks agreed about it.
  void set_due(bool is_due) { is_due_ = is_due; }
  [[nodiscard]] bool is_due() const { return is_due_; }

  /// What an earlier session of the run measured; 0: not known. Says how long a stop takes.
  void start_from(double segment_seconds, double save_seconds);
  /// After a checkpoint: says how long a stop takes, the first time.
  void log_lead(bool is_finished);

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] double stop_seconds() const;
  void check_signal();
  double every_;
  double signal_lead_;  // seconds from Slurm's warning to the end of the job; 0: not known
  double longest_segment_ = 0;
  double longest_save_ = 0;
  Seconds seconds_;
  bool is_due_ = false;
  bool writes_behind_ = false;
  bool has_said_lead_ = false;
  bool has_warned_ = false;
  Clock::time_point saved_ = Clock::now();
};

}  // namespace tessera::train
