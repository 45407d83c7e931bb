// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"

#include <utility>

struct CUstream_st;
struct CUevent_st;

namespace tessera::device {

class EventView;

/// A queue of work on a device; does not own it.
class StreamView {
 public:
  StreamView(Device device, CUstream_st* handle) : device_(device), handle_(handle) {}
  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] CUstream_st* handle() const { return handle_; }

  /// Blocks until all enqueued work is done. Throws Error(kInternal) when any of it failed. Not for streams that NCCL
  /// works on: poll is_done() there, since a peer may never answer.
  void synchronize() const;
  /// Whether all enqueued work is done. Throws Error(kInternal) when any of it failed.
  [[nodiscard]] bool is_done() const;
  /// Work that is enqueued after this call begins after `event`.
  void wait_for(EventView event) const;

 private:
  Device device_;
  CUstream_st* handle_;
};

/// Owns a stream; destroying it waits for nothing: work that is enqueued still runs.
class Stream {
 public:
  explicit Stream(Device device);
  Stream(Stream&& other) noexcept : device_(other.device_), handle_(std::exchange(other.handle_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();  // NOLINT(performance-trivially-destructible): it is only where there is no CUDA
  [[nodiscard]] StreamView view() const { return {device_, handle_}; }

 private:
  Device device_;
  CUstream_st* handle_ = nullptr;
};

/// A point in a stream; does not own it.
class EventView {
 public:
  explicit EventView(CUevent_st* handle) : handle_(handle) {}
  [[nodiscard]] CUevent_st* handle() const { return handle_; }
  /// Whether the work before it is done; true when it was never recorded.
  [[nodiscard]] bool is_done() const;

 private:
  CUevent_st* handle_;
};

/// Owns an event. Made with a clock, two of them measure the time between them.
class Event {
 public:
  enum class Clock { kNone, kTiming };
  explicit Event(Device device, Clock clock = Clock::kNone);
  Event(Event&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event();  // NOLINT(performance-trivially-destructible): it is only where there is no CUDA
  [[nodiscard]] EventView view() const { return EventView(handle_); }

  /// Marks the work that is enqueued in `stream` by now; recording again moves the mark.
  void record(StreamView stream);
  /// Blocks until the marked work is done.
  void synchronize() const;
  /// Time on the device from `start` to this; both with a clock, recorded and done.
  [[nodiscard]] double seconds_since(const Event& start) const;

 private:
  CUevent_st* handle_ = nullptr;
};

/// How the host waits for a device where a plain synchronize() might never return: NCCL's kernels wait for other ranks.
class Waiter {
 public:
  virtual ~Waiter() = default;
  /// Blocks until all that is enqueued on `stream` is done.
  virtual void wait(StreamView stream) = 0;
  /// Blocks until what `event` marks is done; no longer, though more may be enqueued behind it.
  virtual void wait(EventView event) = 0;
};

}  // namespace tessera::device
