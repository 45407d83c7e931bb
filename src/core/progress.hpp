// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace tessera {

/// Progress of a long step. On a terminal one line on stderr that is redrawn; else a log line every few seconds.
/// A silent one (not rank 0) does nothing.
class Progress {
 public:
  /// `total` 0 means unknown. `unit` is plural: "triples". `before` of them were done earlier: they count as done, not
  /// as speed.
  Progress(std::string title, std::uint64_t total, std::string unit, bool silent = false, std::uint64_t before = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Cheap when nothing is due: one clock read. `note` is shown at the end of the line ("loss 3.21").
  void update(std::uint64_t done, const std::string& note = {});
  /// True when the next update would be shown: callers that must build a note ask first.
  [[nodiscard]] bool due() const;
  /// Shown at the end of every line from now on, after the note.
  void set_standing(std::string standing) { standing_ = std::move(standing); }
  /// Ends the line.
  void finish();
  /// The line that is shown when `done` are done after `seconds`.
  [[nodiscard]] std::string line(std::uint64_t done, double seconds, const std::string& note) const;

 private:
  void show(std::uint64_t done, const std::string& note);
  using Clock = std::chrono::steady_clock;
  std::string title_;
  std::uint64_t total_;
  std::string unit_;
  std::string standing_;
  std::uint64_t before_;
  bool silent_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_;
  Clock::time_point next_;
};

}  // namespace tessera
