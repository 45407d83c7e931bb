// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/memory.hpp"
#include "device/stream.hpp"
#include "kernels/matrix.hpp"
#include "memory/pool.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace tessera::train {

/// Memory of one space, and the order of what is done in it. On the host everything is done at once; on a device it is
/// enqueued on one stream, and host memory that takes part stays as it is until finish().
template <kernels::Space kSpace>
class Place;

template <>
class Place<kernels::Space::kHost> {
 public:
  template <class T>
  using Buffer = memory::Buffer<T>;
  explicit Place(memory::Pool& pool) : pool_(pool) {}

  template <class T>
  Buffer<T> allocate(memory::Tag tag, std::uint64_t count) {
    return pool_.allocate<T>(tag, count);
  }
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
  memory::Pool& pool_;
};

template <>
class Place<kernels::Space::kDevice> {
 public:
  template <class T>
  using Buffer = memory::DeviceBuffer<T>;
  /// Everything is enqueued on `work`, but for lists that run ahead (ListRing), on `copies`.
  Place(memory::DevicePool& pool, device::StreamView work, device::StreamView copies)
      : pool_(pool), work_(work), copies_(copies) {}

  template <class T>
  Buffer<T> allocate(memory::Tag tag, std::uint64_t count) {
    return pool_.allocate<T>(tag, count);
  }
  template <class T>
  void bring(std::span<const T> from, device::Span<T> to) const {
    if (!from.empty()) device::copy(from, to, work_);
  }
  template <class T>
  void fetch(device::Span<const T> from, std::span<T> to) const {
    if (!to.empty()) device::copy(from, to, work_);
  }
  void finish() const { work_.synchronize(); }
  [[nodiscard]] device::StreamView work() const { return work_; }
  [[nodiscard]] device::StreamView copies() const { return copies_; }

 private:
  memory::DevicePool& pool_;
  device::StreamView work_;
  device::StreamView copies_;
};

}  // namespace tessera::train
