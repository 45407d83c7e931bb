// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/epoch_sums.hpp"
#include "core/stage_times.hpp"
#include "storage/hdf5.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::checkpoint {

/// A point of a training run between two segments.
struct Position {
  std::uint64_t epoch;    ///< completed epochs
  std::uint64_t segment;  ///< completed segments of the epoch after these
  // NOLINTNEXTLINE(google-explicit-constructor): the end of an epoch is a position
  Position(std::uint64_t of_epoch = 0, std::uint64_t of_segment = 0) : epoch(of_epoch), segment(of_segment) {}
  auto operator<=>(const Position&) const = default;
};

/// "epoch-000003", "epoch-000003-segment-000005"; and the position that a folder name is of, if it is one of these.
std::string folder_name(const Position& position);
std::optional<Position> position_of(std::string_view name);

/// "epoch 3", "epoch 3 and 5 segments of the next one".
std::string in_words(const Position& position);

/// An epoch that is not complete.
struct PartialEpoch {
  std::uint64_t segment = 0;   ///< completed segments; 0: the run stands between two epochs
  std::uint64_t segments = 0;  ///< of the epoch
  EpochSums sums;              ///< of the completed ones, as all that follows
  double seconds = 0;          ///< of training
  double longest_seconds = 0;  ///< of a segment
  std::uint64_t bytes_sent = 0;
  StageTimes stages;
};

/// Where a training run stands; stored with every checkpoint.
struct RunState {
  std::uint64_t epoch = 0;  ///< completed epochs
  std::uint64_t best_epoch = 0;
  double best_mrr = 0;  ///< validation MRR of best_epoch; 0 when never validated
  /// Early stopping and the schedule "plateau" use these numbers. They count validations at the job's interval alone,
  /// so a run that ended in between continues as a run that did not end.
  double reference_mrr = 0;             ///< the best MRR of these validations
  std::uint64_t checks_since_best = 0;  ///< validations since the best one
  std::uint64_t checks_on_plateau = 0;  ///< validations since the best one or the last cut of the rate
  double rate_factor = 1;               ///< factor on the learning rate, after the cuts so far
  bool finished = false;                ///< all epochs done, or stopped early
  PartialEpoch partial = {};

  [[nodiscard]] Position position() const { return {epoch, partial.segment}; }
};

/// "epoch 3", "epoch 3 and 5 of 9 segments of the next one".
std::string in_words(const RunState& state);

/// The attributes of a manifest that say where the run stands, and the group of an epoch that is not complete.
void write_run_state(storage::FileWriter& manifest, const RunState& state);
RunState read_run_state(const storage::FileReader& manifest);

}  // namespace tessera::checkpoint
