// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/save_times.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace tessera::train {
namespace {

constexpr double kSlurmSeconds = 90;  // Slurm looks at its limits every half minute, and warns by the minute

}  // namespace

SaveTimes::SaveTimes(double every) : every_(every) {
  const char* lead = std::getenv("TESSERA_SIGNAL_LEAD");  // NOLINT(concurrency-mt-unsafe): read once at start
  signal_lead_ = lead == nullptr ? 0 : std::strtod(lead, nullptr);
}

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

double SaveTimes::stop_seconds() const {
  return longest_segment_ + (writes_behind_ ? 2 * longest_save_ : longest_save_);
}

void SaveTimes::check_signal() {
  const double needed = stop_seconds() + kSlurmSeconds;
  if (signal_lead_ <= 0 || needed <= signal_lead_ || std::exchange(has_warned_, true)) return;
  log::warning(
      "Slurm warns this job {} before its end (TESSERA_SIGNAL_LEAD), which is too late: a stop takes up to {}, and "
      "Slurm "
      "may be {} late; submit with --signal=B:USR1@{:.0f} and TESSERA_SIGNAL_LEAD={:.0f}, or lower train.segment_steps",
      text::duration(signal_lead_), text::duration(stop_seconds()), text::duration(kSlurmSeconds), std::ceil(needed),
      std::ceil(needed));
}

void SaveTimes::start_from(double segment_seconds, double save_seconds) {
  longest_segment_ = segment_seconds;
  longest_save_ = save_seconds;
  if (segment_seconds == 0) return;
  log::info("a stop request takes about {}, as measured before: {} for a segment, {} for a checkpoint",
            text::duration(segment_seconds + save_seconds), text::duration(segment_seconds),
            save_seconds > 0 ? text::duration(save_seconds) : "an unknown time");
  check_signal();
}

void SaveTimes::log_lead(bool is_finished) {
  if (is_finished || longest_segment_ == 0) return;
  check_signal();
  if (std::exchange(has_said_lead_, true)) return;
  log::info("a stop request takes up to {}: {} for a segment, {} for {}", text::duration(stop_seconds()),
            text::duration(longest_segment_), text::duration(stop_seconds() - longest_segment_),
            writes_behind_ ? "the checkpoint before it and its own" : "a checkpoint");
}

}  // namespace tessera::train
