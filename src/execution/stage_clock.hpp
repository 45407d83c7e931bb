// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "core/stage_times.hpp"
#include "execution/executor.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::execution {

/// Time by stage, cheap enough to be always on: a reading of the clock, or an event on a device's stream, where one
/// stage ends and another begins. On a device the stages are those of its stream; kDraw is always time of the host.
template <Space kSpace>
class StageClock;

template <>
class StageClock<Space::kHost> {
 public:
  explicit StageClock(HostExecutor& /*executor*/) {}
  void reset() { times_ = {}; }
  void begin_step(std::uint64_t /*step*/) {}
  void end_step() {}
  /// From here to the next call is time of `stage`.
  void enter(Stage stage) {
    const auto now = Clock::now();
    if (is_running_) add(now);
    stage_ = stage;
    begin_ = now;
    is_running_ = true;
  }
  /// No stage from here on.
  void leave() {
    if (is_running_) add(Clock::now());
    is_running_ = false;
  }
  /// Since reset().
  [[nodiscard]] const StageTimes& times() const { return times_; }
  void finish() {}

 private:
  using Clock = std::chrono::steady_clock;
  void add(Clock::time_point now) { times_.of(stage_) += std::chrono::duration<double>(now - begin_).count(); }

  StageTimes times_;
  Stage stage_ = Stage::kDraw;
  Clock::time_point begin_;
  bool is_running_ = false;
};

template <>
class StageClock<Space::kDevice> {
 public:
  explicit StageClock(DeviceExecutor& executor) : executor_(executor), host_(Clock::time_point{}) {
    for (Slot& slot : slots_) {
      slot.stages.reserve(kMostStages);
      for (std::size_t i = 0; i <= kMostStages; ++i)
        slot.events.emplace_back(executor.device(), device::Event::Clock::kTiming);
    }
  }
  void reset() {
    for (Slot& slot : slots_) slot.stages.clear();
    times_ = {};
  }
  /// The work of the step two before this one is done: its lists are drawn anew.
  void begin_step(std::uint64_t step) {
    writing_ = step % slots_.size();
    collect(slots_[writing_]);
    in_step_ = true;
  }
  void end_step() {
    mark();
    in_step_ = false;
  }
  void enter(Stage stage) {
    if (!in_step_) {
      stage_ = stage;
      host_ = Clock::now();
      return;
    }
    Slot& slot = slots_[writing_];
    TESSERA_ASSERT(slot.stages.size() < kMostStages, "more stages in a step than events");
    mark();
    slot.stages.push_back(stage);
  }
  void leave() {
    if (!in_step_) times_.of(stage_) += std::chrono::duration<double>(Clock::now() - host_).count();
  }
  [[nodiscard]] const StageTimes& times() const { return times_; }
  /// After the device has done all work.
  void finish() {
    for (Slot& slot : slots_) collect(slot);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMostStages = 16;
  struct Slot {
    std::vector<Stage> stages;
    std::vector<device::Event> events;  // event i begins stage i
  };
  void mark() {
    Slot& slot = slots_[writing_];
    slot.events[slot.stages.size()].record(executor_.stream());
  }
  void collect(Slot& slot) {
    for (std::size_t i = 0; i < slot.stages.size(); ++i)
      times_.of(slot.stages[i]) += slot.events[i + 1].seconds_since(slot.events[i]);
    slot.stages.clear();
  }

  DeviceExecutor& executor_;
  StageTimes times_;
  std::array<Slot, 2> slots_;
  std::size_t writing_ = 0;
  bool in_step_ = false;
  Stage stage_ = Stage::kDraw;
  Clock::time_point host_;
};

}  // namespace tessera::execution
