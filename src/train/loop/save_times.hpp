// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace tessera::train {

/// How long segments and checkpoints take, and when the next checkpoint is due.
class SaveTimes {
 public:
  /// `every`: seconds between two checkpoints; 0: time does not matter.
  explicit SaveTimes(double every) : every_(every) {}

  void segment_took(double seconds);
  /// A checkpoint was saved just now.
  void save_took(double seconds);
  /// Seconds of all checkpoints since the call before.
  double take_seconds();

  [[nodiscard]] bool go_by_time() const { return every_ > 0; }
  /// The clock of this rank asks for a checkpoint.
  [[nodiscard]] bool is_time() const;
  /// What the ranks agreed about it.
  void set_due(bool is_due) { is_due_ = is_due; }
  [[nodiscard]] bool is_due() const { return is_due_; }

  /// Says how long the checkpoint took; the first time also how long a stop takes.
  void log(bool is_finished);

 private:
  using Clock = std::chrono::steady_clock;
  double every_;
  double longest_segment_ = 0;
  double longest_save_ = 0;
  double last_save_ = 0;
  double seconds_ = 0;
  bool is_due_ = false;
  bool has_said_lead_ = false;
  Clock::time_point saved_ = Clock::now();
};

}  // namespace tessera::train
