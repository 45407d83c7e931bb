// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "execution/executor.hpp"
#include "execution/staging.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tessera::execution {

/// The lists of one step: written on the host, read by kernels. On the host both are the same memory.
template <Space kSpace>
class ListSlot;

template <>
class ListSlot<Space::kHost> {
 public:
  ListSlot(HostExecutor& executor, memory::Pool& /*host*/, std::uint64_t words)
      : words_(executor.allocate<std::uint32_t>(memory::Tag::kBatch, words)) {}
  [[nodiscard]] std::span<std::uint32_t> written() const { return words_.span(); }
  [[nodiscard]] std::span<std::uint32_t> read() const { return words_.span(); }
  void await_reuse() const {}
  void send(std::size_t /*first*/, std::size_t /*count*/) const {}
  void sent() const {}
  void take() const {}
  void done() const {}

 private:
  memory::Buffer<std::uint32_t> words_;
};

template <>
class ListSlot<Space::kDevice> {
 public:
  ListSlot(DeviceExecutor& executor, memory::Pool& host, std::uint64_t words)
      : executor_(executor),
        written_(host, memory::Tag::kBatch, executor.device(), words),
        words_(executor.allocate<std::uint32_t>(memory::Tag::kBatch, words)),
        sent_(executor.device()),
        done_(executor.device()) {}
  [[nodiscard]] std::span<std::uint32_t> written() const { return written_.span(); }
  [[nodiscard]] device::Span<std::uint32_t> read() const { return words_.span(); }
  /// Blocks until the work on the lists that were here is done.
  void await_reuse() const { executor_.wait(done_); }
  /// Copies a run of words, ahead of the work.
  void send(std::size_t first, std::size_t count) const {
    if (count == 0) return;
    device::copy(std::span<const std::uint32_t>(written().subspan(first, count)), words_.span().subspan(first, count),
                 executor_.copy_stream());
  }
  void sent() { sent_.record(executor_.copy_stream()); }
  /// Work that is enqueued from here on sees the lists.
  void take() const { executor_.stream().wait_for(sent_.view()); }
  /// Work that is enqueued up to here was the last that does.
  void done() { done_.record(executor_.stream()); }

 private:
  DeviceExecutor& executor_;
  PinnedBuffer<std::uint32_t> written_;
  memory::DeviceBuffer<std::uint32_t> words_;
  device::Event sent_;
  device::Event done_;
};

/// A run of a slot that one thread writes.
template <Space kSpace>
class ListWriter {
 public:
  using Indices = kernels::Vector<kSpace, const std::uint32_t>;
  using Floats = kernels::Vector<kSpace, const float>;
  ListWriter(std::span<std::uint32_t> written, kernels::Vector<kSpace, std::uint32_t> read)
      : written_(written), read_(read) {}

  /// A list, there for the kernels once its step is taken.
  Indices put(std::span<const std::uint32_t> list) {
    const std::size_t first = take_words(list.size());
    std::copy(list.begin(), list.end(), written_.begin() + static_cast<std::ptrdiff_t>(first));
    return read_.subspan(first, list.size());
  }
  /// Puts a list of integers as floats.
  Floats put_floats(std::span<const std::uint32_t> list) { return put_as_floats(list); }
  Floats put_floats(std::span<const float> list) { return put_as_floats(list); }
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t capacity() const { return written_.size(); }

 private:
  template <class T>
  Floats put_as_floats(std::span<const T> list) {
    const std::size_t first = take_words(list.size());
    const auto to = written_.subspan(first, list.size());
    for (std::size_t i = 0; i < list.size(); ++i) to[i] = std::bit_cast<std::uint32_t>(static_cast<float>(list[i]));
    const auto read = read_.subspan(first, list.size());
    return Floats(reinterpret_cast<const float*>(read.data()), read.size());
  }
  std::size_t take_words(std::size_t count) {
    const std::size_t first = used_;
    used_ += count;
    TESSERA_ASSERT(used_ <= written_.size(), "more lists than planned");
    return first;
  }

  std::span<std::uint32_t> written_;
  kernels::Vector<kSpace, std::uint32_t> read_;
  std::size_t used_ = 0;
};

/// The lists of the steps in flight: those of the next step are made and copied while a device works on this one. On
/// the host one slot will do where the work on a step is done before the lists of the next one are made.
template <Space kSpace, std::size_t kSlotCount = kSpace == Space::kHost ? 1 : 2>
class ListRing {
 public:
  static constexpr std::size_t kSlots = kSlotCount;

  /// For up to `words` numbers a step, by up to `writers` list writers.
  ListRing(Executor<kSpace>& executor, memory::Pool& host, std::uint64_t words, std::size_t writers) {
    for (auto& slot : slots_) slot = std::make_unique<ListSlot<kSpace>>(executor, host, words);
    writers_.reserve(writers);
  }

  /// Starts the lists of a step, with a list writer for each of `words`, of that many numbers at most; blocks until the
  /// work on the lists that were in its slot is done.
  void begin(std::uint64_t step, std::span<const std::uint64_t> words) {
    writing_ = step % kSlots;
    ListSlot<kSpace>& slot = *slots_[writing_];
    slot.await_reuse();
    writers_.clear();
    std::size_t first = 0;
    for (const std::uint64_t count : words) {
      TESSERA_ASSERT(first + count <= slot.written().size(), "more lists than planned");
      writers_.emplace_back(slot.written().subspan(first, count), slot.read().subspan(first, count));
      first += count;
    }
  }
  [[nodiscard]] ListWriter<kSpace>& writer(std::size_t i) { return writers_[i]; }
  /// Sends what the writers wrote.
  void send() {
    std::size_t first = 0;
    for (const ListWriter<kSpace>& writer : writers_) {
      slots_[writing_]->send(first, writer.used());
      first += writer.capacity();
    }
    slots_[writing_]->sent();
  }
  void take(std::uint64_t step) { slots_[step % kSlots]->take(); }
  void done(std::uint64_t step) { slots_[step % kSlots]->done(); }

 private:
  std::array<std::unique_ptr<ListSlot<kSpace>>, kSlots> slots_;
  std::vector<ListWriter<kSpace>> writers_;
  std::size_t writing_ = 0;
};

}  // namespace tessera::execution
