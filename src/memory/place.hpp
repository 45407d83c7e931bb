// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/memory.hpp"
#include "device/space.hpp"
#include "device/stream.hpp"
#include "memory/pool.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

namespace tessera::memory {

/// Memory of one space, and the order of what is done in it. On the host everything is done at once; on a device it is
/// enqueued on one stream, and host memory that takes part stays as it is until finish(). A copy from or to memory that
/// is not pinned may wait for the stream by itself: where a Waiter is needed, finish() comes first.
template <device::Space kSpace>
class Place;

template <>
class Place<device::Space::kHost> {
 public:
  template <class T>
  using Buffer = memory::Buffer<T>;
  explicit Place(Pool& pool) : pool_(pool) {}

  template <class T>
  Buffer<T> allocate(Tag tag, std::uint64_t count) {
    return pool_.allocate<T>(tag, count);
  }
  /// What is left of the budget.
  [[nodiscard]] std::uint64_t room_bytes() const { return pool_.budget_bytes() - pool_.used_bytes(); }
  template <class T>
  void bring(std::span<const T> from, std::span<T> to) const {
    std::copy(from.begin(), from.end(), to.begin());
  }
  template <class T>
  void fetch(std::span<const T> from, std::span<T> to) const {
    std::copy(from.begin(), from.end(), to.begin());
  }
  void finish() const {}

 private:
  Pool& pool_;
};

template <>
class Place<device::Space::kDevice> {
 public:
  template <class T>
  using Buffer = DeviceBuffer<T>;
  /// Everything is enqueued on `work`, but for what its users let run ahead, on `copies`. With a waiter the host waits
  /// for either through it; it outlives the place.
  Place(DevicePool& pool, device::StreamView work, device::StreamView copies, device::Waiter* waiter = nullptr)
      : pool_(pool), work_(work), copies_(copies), waiter_(waiter) {}

  template <class T>
  Buffer<T> allocate(Tag tag, std::uint64_t count) {
    return pool_.allocate<T>(tag, count);
  }
  /// What is left of the budget.
  [[nodiscard]] std::uint64_t room_bytes() const { return pool_.budget_bytes() - pool_.used_bytes(); }
  template <class T>
  void bring(std::span<const T> from, device::Span<T> to) const {
    if (!from.empty()) device::copy(from, to, work_);
  }
  template <class T>
  void fetch(device::Span<const T> from, std::span<T> to) const {
    if (!to.empty()) device::copy(from, to, work_);
  }
  void finish() const {
    if (waiter_ == nullptr) return work_.synchronize();
    waiter_->wait(work_);
  }
  /// Blocks until what `event` marks is done.
  void wait(const device::Event& event) const {
    if (waiter_ == nullptr) return event.synchronize();
    waiter_->wait(event.view());
  }
  [[nodiscard]] device::StreamView work() const { return work_; }
  [[nodiscard]] device::StreamView copies() const { return copies_; }

 private:
  DevicePool& pool_;
  device::StreamView work_;
  device::StreamView copies_;
  device::Waiter* waiter_;
};

}  // namespace tessera::memory
