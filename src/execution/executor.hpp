// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/memory.hpp"
#include "device/space.hpp"
#include "device/stream.hpp"
#include "execution/host_threads.hpp"
#include "kernels/backend.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "memory/pool.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tessera::execution {

using kernels::Space;

/// Bytes that a buffer of `count` elements takes of the pool of an executor.
template <Space kSpace, class T>
constexpr std::uint64_t buffer_bytes(std::uint64_t count) {
  constexpr std::uint64_t kUnit = kSpace == Space::kHost ? memory::kHostUnitBytes : memory::kDeviceUnitBytes;
  return std::max<std::uint64_t>(1, (count * sizeof(T) + kUnit - 1) / kUnit) * kUnit;
}

/// An executor is the hardware that a rank computes with: memory of one space, kernels for it, and the order of their
/// calls. The code of a step is written once, over an Executor, which hands out work as blocks of rows. The host cuts
/// rows into blocks that stay in a core's cache, one thread each; a device takes all rows in one call. No bit depends
/// on the cut.
template <Space kSpace>
class Executor;

template <>
class Executor<Space::kHost> {
 public:
  template <class T>
  using Buffer = memory::Buffer<T>;

  /// Both outlive the executor. A `backend` without the cut gets all rows in one call, as on a device: for tests.
  Executor(memory::Pool& pool, const kernels::Backend& backend, HostThreads threads)
      : pool_(pool), backend_(backend), threads_(threads) {}

  [[nodiscard]] const kernels::Backend& kernels() const { return backend_; }
  [[nodiscard]] memory::Pool& pool() const { return pool_; }
  template <class T>
  Buffer<T> allocate(memory::Tag tag, std::uint64_t count) {
    return pool_.allocate<T>(tag, count);
  }
  /// The rest of the budget.
  [[nodiscard]] std::uint64_t room_bytes() const { return pool_.free_bytes(); }
  /// From the host's memory to this space, in the order of the other work. `from` stays as it is until synchronize().
  template <class T>
  void upload(std::span<const T> from, std::span<T> to) const {
    std::copy(from.begin(), from.end(), to.begin());
  }
  /// The way back; `to` is complete after synchronize().
  template <class T>
  void download(std::span<const T> from, std::span<T> to) const {
    std::copy(from.begin(), from.end(), to.begin());
  }
  /// Sets all elements to 0, in the order of the other work.
  template <class T>
  void clear(std::span<T> memory) const {
    std::fill(memory.begin(), memory.end(), T{});
  }
  /// Blocks until all work is done.
  void synchronize() const {}

  /// Blocks that run at the same time: each has scratch memory of its own.
  [[nodiscard]] std::size_t workers() const { return threads_.workers(); }
  /// Rows of the largest block that `rows` are cut into when `preferred` rows suit a thread.
  [[nodiscard]] std::size_t block_rows(std::size_t rows, std::size_t preferred) const {
    return threads_.block_rows(rows, preferred);
  }
  /// Calls body(first, count, worker) for all blocks of `rows`. Returns when all are done.
  template <class Body>
  void for_blocks(std::size_t rows, std::size_t preferred, const Body& body) const {
    threads_.for_blocks(rows, preferred, body);
  }
  /// Calls body(part, first, count, worker) for all blocks of rows_of(part), part = 0 .. parts - 1.
  template <class Rows, class Body>
  void for_part_blocks(std::size_t parts, const Rows& rows_of, std::size_t preferred, const Body& body) const {
    threads_.for_part_blocks(parts, rows_of, preferred, body);
  }

 private:
  memory::Pool& pool_;
  const kernels::Backend& backend_;
  HostThreads threads_;
};

/// A device: work is enqueued on one stream, copies that run ahead on another.
template <>
class Executor<Space::kDevice> {
 public:
  template <class T>
  using Buffer = memory::DeviceBuffer<T>;

  struct Options {
    kernels::Products products = kernels::Products::kChain;
    kernels::ProductSizes largest;     ///< products that convert their operands by themselves
    device::Waiter* waiter = nullptr;  ///< the host waits through it, if given; outlives the executor
  };
  /// Takes the workspace of the kernels from `pool`, which outlives the executor.
  Executor(memory::DevicePool& pool, const Options& options);
  /// After an exception work may be under way on memory that goes now.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  [[nodiscard]] const kernels::DeviceBackend& kernels() const { return kernels_->backend(); }
  template <class T>
  Buffer<T> allocate(memory::Tag tag, std::uint64_t count) {
    return pool_.allocate<T>(tag, count);
  }
  [[nodiscard]] std::uint64_t room_bytes() const { return pool_.free_bytes(); }
  template <class T>
  void upload(std::span<const T> from, device::Span<T> to) const {
    if (!from.empty()) device::copy(from, to, stream());
  }
  template <class T>
  void download(device::Span<const T> from, std::span<T> to) const {
    if (!to.empty()) device::copy(from, to, stream());
  }
  template <class T>
  void clear(device::Span<T> memory) const {
    if (!memory.empty()) device::clear_bytes(device::as_bytes(memory), stream());
  }
  void synchronize() const;
  /// Blocks until what `event` marks is done.
  void wait(const device::Event& event) const;
  [[nodiscard]] device::StreamView stream() const { return work_.view(); }
  [[nodiscard]] device::StreamView copy_stream() const { return copies_.view(); }
  [[nodiscard]] device::Device device() const { return pool_.device(); }

  [[nodiscard]] static std::size_t workers() { return 1; }
  [[nodiscard]] static std::size_t block_rows(std::size_t rows, std::size_t /*preferred*/) { return rows; }
  template <class Body>
  void for_blocks(std::size_t rows, std::size_t /*preferred*/, const Body& body) const {
    if (rows > 0) body(std::size_t{0}, rows, std::size_t{0});
  }
  template <class Rows, class Body>
  void for_part_blocks(std::size_t parts, const Rows& rows_of, std::size_t /*preferred*/, const Body& body) const {
    for (std::size_t part = 0; part < parts; ++part)
      if (const std::size_t rows = rows_of(part); rows > 0) body(part, std::size_t{0}, rows, std::size_t{0});
  }

 private:
  memory::DevicePool& pool_;
  device::Waiter* waiter_;
  device::Stream work_;
  device::Stream copies_;
  memory::DeviceBuffer<std::byte> workspace_;
  std::unique_ptr<kernels::DeviceKernels> kernels_;
};

using HostExecutor = Executor<Space::kHost>;
using DeviceExecutor = Executor<Space::kDevice>;

}  // namespace tessera::execution
