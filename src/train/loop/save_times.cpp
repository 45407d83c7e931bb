// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/save_times.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <utility>

namespace tessera::train {

void SaveTimes::segment_took(double seconds) { longest_segment_ = std::max(longest_segment_, seconds); }

void SaveTimes::save_took(double seconds) {
  last_save_ = seconds;
  longest_save_ = std::max(longest_save_, seconds);
  seconds_ += seconds;
  saved_ = Clock::now();
  is_due_ = false;
}

double SaveTimes::take_seconds() { return std::exchange(seconds_, 0); }

bool SaveTimes::is_time() const {
  return go_by_time() && std::chrono::duration<double>(Clock::now() - saved_).count() >= every_;
}

void SaveTimes::log(bool is_finished) {
  log::debug("the checkpoint took {}", text::duration(last_save_));
  if (is_finished || longest_segment_ == 0 || std::exchange(has_said_lead_, true)) return;
  log::info("a stop request takes up to {}: {} for a segment, {} for a checkpoint",
            text::duration(longest_segment_ + longest_save_), text::duration(longest_segment_),
            text::duration(longest_save_));
}

}  // namespace tessera::train
