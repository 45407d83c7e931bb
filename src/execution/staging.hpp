// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/executor.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>

namespace tessera::execution {

/// Memory of a host pool that a device reads and writes directly. Whole pages: no other memory is pinned with it,
/// and none is pinned twice.
template <class T>
class PinnedBuffer {
 public:
  /// `host` is not pinned itself.
  PinnedBuffer(memory::Pool& host, memory::Tag tag, device::Device device, std::uint64_t count)
      : memory_(host.allocate<std::byte>(tag, whole_pages(count) + kPage)) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    const std::size_t skip = (address + kPage - 1) / kPage * kPage - address;
    const auto pages = memory_.span().subspan(skip, whole_pages(count));
    span_ = {reinterpret_cast<T*>(pages.data()), count};
    registration_.emplace(device, pages);
  }
  [[nodiscard]] std::span<T> span() const { return span_; }

 private:
  static constexpr std::size_t kPage = 4096;
  static std::size_t whole_pages(std::uint64_t count) { return (count * sizeof(T) + kPage - 1) / kPage * kPage; }

  memory::Buffer<std::byte> memory_;
  std::span<T> span_;
  std::optional<device::Registration> registration_;  // goes before the memory does
};

/// Copies from and to memory of the host that need not be pinned: on a device through two pinned slots, one of which is
/// filled or emptied while the other is copied. What is uploaded may be changed as soon as upload() returns, and
/// what is downloaded is there when download() returns.
template <Space kSpace>
class Staging;

template <>
class Staging<Space::kHost> {
 public:
  Staging(HostExecutor& executor, memory::Pool& /*host*/, memory::Tag /*tag*/, std::uint64_t /*slot_bytes*/)
      : executor_(executor) {}
  [[nodiscard]] HostExecutor& executor() const { return executor_; }
  template <class T>
  void upload(std::span<const T> from, std::span<T> to) const {
    executor_.upload(from, to);
  }
  template <class T>
  void download(std::span<const T> from, std::span<T> to) const {
    executor_.download(from, to);
  }

 private:
  HostExecutor& executor_;
};

template <>
class Staging<Space::kDevice> {
 public:
  Staging(DeviceExecutor& executor, memory::Pool& host, memory::Tag tag, std::uint64_t slot_bytes)
      : executor_(executor) {
    for (auto& slot : slots_) slot = std::make_unique<Slot>(host, tag, executor.device(), slot_bytes);
  }
  [[nodiscard]] DeviceExecutor& executor() const { return executor_; }
  template <class T>
  void upload(std::span<const T> from, device::Span<T> to) {
    static_assert(std::is_trivially_copyable_v<T>);
    upload_bytes(std::as_bytes(from), device::as_bytes(to));
  }
  template <class T>
  void download(device::Span<const T> from, std::span<T> to) {
    static_assert(std::is_trivially_copyable_v<T>);
    download_bytes(device::as_bytes(from), std::as_writable_bytes(to));
  }

 private:
  struct Slot {
    Slot(memory::Pool& host, memory::Tag tag, device::Device device, std::uint64_t bytes)
        : memory(host, tag, device, bytes), copied(device) {}
    PinnedBuffer<std::byte> memory;
    device::Event copied;
  };
  void upload_bytes(std::span<const std::byte> from, device::Span<std::byte> to) {
    for (std::size_t first = 0; first < from.size();) {
      Slot& slot = *slots_[next_];
      next_ = (next_ + 1) % slots_.size();
      const std::size_t count = std::min(slot.memory.span().size(), from.size() - first);
      const auto staged = slot.memory.span().first(count);
      executor_.wait(slot.copied);
      std::memcpy(staged.data(), from.data() + first, count);
      executor_.upload(std::span<const std::byte>(staged), to.subspan(first, count));
      slot.copied.record(executor_.stream());
      first += count;
    }
  }
  // A piece is on its way while the one before it is emptied.
  void download_bytes(device::Span<const std::byte> from, std::span<std::byte> to) {
    const std::size_t piece = slots_[0]->memory.span().size();
    const auto slot_of = [&](std::size_t first) -> Slot& { return *slots_[first / piece % slots_.size()]; };
    const auto size_of = [&](std::size_t first) { return std::min(piece, to.size() - first); };
    const auto ask = [&](std::size_t first) {
      if (first >= to.size()) return;
      Slot& slot = slot_of(first);
      executor_.wait(slot.copied);
      executor_.download(from.subspan(first, size_of(first)), slot.memory.span().first(size_of(first)));
      slot.copied.record(executor_.stream());
    };
    ask(0);
    for (std::size_t first = 0; first < to.size(); first += piece) {
      ask(first + piece);
      Slot& slot = slot_of(first);
      executor_.wait(slot.copied);
      std::memcpy(to.data() + first, slot.memory.span().data(), size_of(first));
    }
  }

  DeviceExecutor& executor_;
  std::array<std::unique_ptr<Slot>, 2> slots_;
  std::size_t next_ = 0;
};

}  // namespace tessera::execution
