// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/save_times.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <utility>

namespace tessera::train {

void SaveTimes::segment_took(double seconds) { longest_segment_ = std::max(longest_segment_, seconds); }

void SaveTimes::stopped_for(double seconds) { seconds_.stopped += seconds; }

void SaveTimes::began(bool writes_behind) {
  writes_behind_ = writes_behind;
  saved_ = Clock::now();
  is_due_ = false;
}

void SaveTimes::was_written(double seconds) {
  longest_save_ = std::max(longest_save_, seconds);
  seconds_.writing += seconds;
  if (!writes_behind_) saved_ = Clock::now();
}

SaveTimes::Seconds SaveTimes::take_seconds() { return std::exchange(seconds_, {}); }

bool SaveTimes::is_time() const {
  return go_by_time() && std::chrono::duration<double>(Clock::now() - saved_).count() >= every_;
}

void SaveTimes::log_lead(bool is_finished) {
  if (is_finished || longest_segment_ == 0 || std::exchange(has_said_lead_, true)) return;
  const double saves = writes_behind_ ? 2 * longest_save_ : longest_save_;
  log::info("a stop request takes up to {}: {} for a segment, {} for {}", text::duration(longest_segment_ + saves),
            text::duration(longest_segment_), text::duration(saves),
            writes_behind_ ? "the checkpoint before it and its own" : "a checkpoint");
}

}  // namespace tessera::train
