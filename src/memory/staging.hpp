// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "memory/place.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>

namespace tessera::memory {

/// Memory of a host pool that a device reads and writes directly. Whole pages: nobody else's memory is pinned with it,
/// and none is pinned twice.
template <class T>
class PinnedBuffer {
 public:
  /// `host` is not pinned itself.
  PinnedBuffer(Pool& host, Tag tag, device::Device device, std::uint64_t count)
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

  Buffer<std::byte> memory_;
  std::span<T> span_;
  std::optional<device::Registration> registration_;  // goes before the memory does
};

/// Copies from and to memory of the host that need not be pinned: on a device through two pinned slots, one of which is
/// filled or emptied while the other is copied. What is brought may be changed as soon as bring() returns, and what is
/// fetched is there when fetch() does.
template <device::Space kSpace>
class Staging;

template <>
class Staging<device::Space::kHost> {
 public:
  Staging(Place<device::Space::kHost>& place, Pool& /*host*/, Tag /*tag*/, std::uint64_t /*slot_bytes*/)
      : place_(place) {}
  template <class T>
  void bring(std::span<const T> from, std::span<T> to) const {
    place_.bring(from, to);
  }
  template <class T>
  void fetch(std::span<const T> from, std::span<T> to) const {
    place_.fetch(from, to);
  }

 private:
  Place<device::Space::kHost>& place_;
};

template <>
class Staging<device::Space::kDevice> {
 public:
  Staging(Place<device::Space::kDevice>& place, Pool& host, Tag tag, std::uint64_t slot_bytes) : place_(place) {
    for (auto& slot : slots_) slot = std::make_unique<Slot>(host, tag, place.work().device(), slot_bytes);
  }
  template <class T>
  void bring(std::span<const T> from, device::Span<T> to) {
    static_assert(std::is_trivially_copyable_v<T>);
    bring_bytes(std::as_bytes(from), device::as_bytes(to));
  }
  template <class T>
  void fetch(device::Span<const T> from, std::span<T> to) {
    static_assert(std::is_trivially_copyable_v<T>);
    fetch_bytes(device::as_bytes(from), std::as_writable_bytes(to));
  }

 private:
  struct Slot {
    Slot(Pool& host, Tag tag, device::Device device, std::uint64_t bytes)
        : memory(host, tag, device, bytes), copied(device) {}
    PinnedBuffer<std::byte> memory;
    device::Event copied;
  };
  void bring_bytes(std::span<const std::byte> from, device::Span<std::byte> to) {
    for (std::size_t first = 0; first < from.size();) {
      Slot& slot = *slots_[next_];
      next_ = (next_ + 1) % slots_.size();
      const std::size_t count = std::min(slot.memory.span().size(), from.size() - first);
      const auto staged = slot.memory.span().first(count);
      place_.wait(slot.copied);
      std::memcpy(staged.data(), from.data() + first, count);
      place_.bring(std::span<const std::byte>(staged), to.subspan(first, count));
      slot.copied.record(place_.work());
      first += count;
    }
  }
  // A piece is on its way while the one before it is emptied.
  void fetch_bytes(device::Span<const std::byte> from, std::span<std::byte> to) {
    const std::size_t piece = slots_[0]->memory.span().size();
    const auto slot_of = [&](std::size_t first) -> Slot& { return *slots_[first / piece % slots_.size()]; };
    const auto size_of = [&](std::size_t first) { return std::min(piece, to.size() - first); };
    const auto ask = [&](std::size_t first) {
      if (first >= to.size()) return;
      Slot& slot = slot_of(first);
      place_.wait(slot.copied);
      place_.fetch(from.subspan(first, size_of(first)), slot.memory.span().first(size_of(first)));
      slot.copied.record(place_.work());
    };
    ask(0);
    for (std::size_t first = 0; first < to.size(); first += piece) {
      ask(first + piece);
      Slot& slot = slot_of(first);
      place_.wait(slot.copied);
      std::memcpy(to.data() + first, slot.memory.span().data(), size_of(first));
    }
  }

  Place<device::Space::kDevice>& place_;
  std::array<std::unique_ptr<Slot>, 2> slots_;
  std::size_t next_ = 0;
};

}  // namespace tessera::memory
