// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/loop/metrics_log.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

namespace tessera::train {

/// Estimates the time to the end of a run from the epochs of this session, with their validations and checkpoints.
class TimeLeft {
 public:
  TimeLeft() = default;
  /// The session begins now. `epochs_done` may have a fraction.
  TimeLeft(double epochs_done, std::uint64_t epochs) : before_(epochs_done), epochs_(static_cast<double>(epochs)) {}
  /// 0 when nothing is left, or nothing was done yet.
  [[nodiscard]] double seconds(double epochs_done) const;
  /// The estimate after `elapsed` seconds.
  [[nodiscard]] double seconds(double epochs_done, double elapsed) const;

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double before_ = 0;
  double epochs_ = 0;
};

/// What the line of an epoch says beside the record.
struct Standing {
  std::uint64_t epochs = 0;  ///< of the job
  std::uint64_t best_epoch = 0;
  double seconds_left = 0;
};

/// "epoch 4 of 100: loss 5.1234, 250,000 triples/s, 3 min 12 s left, validation MRR 0.3120 after epoch 2 (filter:
/// train, valid)", of the last record.
std::string epoch_line(std::span<const EpochRecord> records, const Standing& standing);

/// "validation MRR 0.3120 after epoch 2 (filter: train, valid)" of the last validation; empty without one.
std::string last_validation(std::span<const EpochRecord> records);

}  // namespace tessera::train
