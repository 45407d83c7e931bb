// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "memory/staging.hpp"
#include "train/resident/place.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tessera::train {

/// One slot of lists: written on the host, copied whole to where the work is. The host's own is one memory.
template <kernels::Space kSpace>
class ListSlot;

template <>
class ListSlot<kernels::Space::kHost> {
 public:
  ListSlot(Place<kernels::Space::kHost>& place, memory::Pool& /*host*/, std::uint64_t words)
      : words_(place.allocate<std::uint32_t>(memory::Tag::kBatch, words)) {}
  [[nodiscard]] std::span<std::uint32_t> written() const { return words_.span(); }
  [[nodiscard]] std::span<std::uint32_t> there() const { return words_.span(); }
  void await_reuse() const {}
  void send(std::size_t /*count*/) const {}
  void take() const {}
  void done() const {}

 private:
  memory::Buffer<std::uint32_t> words_;
};

template <>
class ListSlot<kernels::Space::kDevice> {
 public:
  ListSlot(Place<kernels::Space::kDevice>& place, memory::Pool& host, std::uint64_t words)
      : place_(place),
        written_(host, memory::Tag::kBatch, place.work().device(), words),
        words_(place.allocate<std::uint32_t>(memory::Tag::kBatch, words)),
        sent_(place.work().device()),
        done_(place.work().device()) {}
  [[nodiscard]] std::span<std::uint32_t> written() const { return written_.span(); }
  [[nodiscard]] device::Span<std::uint32_t> there() const { return words_.span(); }
  /// Waits until the work on what was here is done.
  void await_reuse() const { place_.wait(done_); }
  /// Copies the first `count` words, ahead of the work.
  void send(std::size_t count) {
    device::copy(std::span<const std::uint32_t>(written().first(count)), words_.span().subspan(0, count),
                 place_.copies());
    sent_.record(place_.copies());
  }
  /// Work that is enqueued from here on sees them.
  void take() const { place_.work().wait_for(sent_.view()); }
  /// Work that is enqueued up to here was the last that does.
  void done() { done_.record(place_.work()); }

 private:
  Place<kernels::Space::kDevice>& place_;
  memory::PinnedBuffer<std::uint32_t> written_;
  memory::DeviceBuffer<std::uint32_t> words_;
  device::Event sent_;
  device::Event done_;
};

/// The lists of the steps in flight: those of the next step are made and copied while the work on this one goes on.
template <kernels::Space kSpace>
class ListRing {
 public:
  static constexpr std::size_t kSlots = 2;
  using Indices = kernels::Vector<kSpace, const std::uint32_t>;
  using Floats = kernels::Vector<kSpace, const float>;

  /// For up to `words` numbers a step.
  ListRing(Place<kSpace>& place, memory::Pool& host, std::uint64_t words) {
    for (auto& slot : slots_) slot = std::make_unique<ListSlot<kSpace>>(place, host, words);
  }

  /// Starts the lists of a step; waits for the work on those that were in its slot.
  void begin(std::uint64_t step) {
    writing_ = step % kSlots;
    used_ = 0;
    slots_[writing_]->await_reuse();
  }
  /// A list of this step, there once it is sent.
  Indices put(std::span<const std::uint32_t> list) {
    const std::size_t first = take_words(list.size());
    std::copy(list.begin(), list.end(), slots_[writing_]->written().begin() + static_cast<std::ptrdiff_t>(first));
    return slots_[writing_]->there().subspan(first, list.size());
  }
  /// As floats.
  Floats put_floats(std::span<const std::uint32_t> list) {
    const std::size_t first = take_words(list.size());
    auto to = slots_[writing_]->written().subspan(first, list.size());
    for (std::size_t i = 0; i < list.size(); ++i) to[i] = std::bit_cast<std::uint32_t>(static_cast<float>(list[i]));
    const auto there = slots_[writing_]->there().subspan(first, list.size());
    return Floats(reinterpret_cast<const float*>(there.data()), there.size());
  }
  void send() { slots_[writing_]->send(used_); }
  void take(std::uint64_t step) { slots_[step % kSlots]->take(); }
  void done(std::uint64_t step) { slots_[step % kSlots]->done(); }

 private:
  std::size_t take_words(std::size_t count) {
    const std::size_t first = used_;
    used_ += count;
    TESSERA_ASSERT(used_ <= slots_[writing_]->written().size(), "more lists than planned");
    return first;
  }

  std::array<std::unique_ptr<ListSlot<kSpace>>, kSlots> slots_;
  std::size_t writing_ = 0;
  std::size_t used_ = 0;
};

}  // namespace tessera::train
