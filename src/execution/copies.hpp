// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/executor.hpp"
#include "execution/staging.hpp"

#include <cstdint>
#include <span>

// Copies that only a device needs: on the host they are what they would be copies of, and take no memory.
namespace tessera::execution {

/// An executor's copy of what the host has.
template <Space kSpace, class T>
class ExecutorCopy;

template <class T>
class ExecutorCopy<Space::kHost, T> {
 public:
  ExecutorCopy(HostExecutor& /*executor*/, memory::Tag /*tag*/, std::uint64_t /*count*/) {}
  /// What the executor reads for `from`, at most `count` elements, until the next upload.
  std::span<const T> upload(std::span<const T> from, Staging<Space::kHost>& /*staging*/) const { return from; }
  static constexpr std::uint64_t bytes(std::uint64_t /*count*/) { return 0; }
};

template <class T>
class ExecutorCopy<Space::kDevice, T> {
 public:
  ExecutorCopy(DeviceExecutor& executor, memory::Tag tag, std::uint64_t count)
      : memory_(executor.allocate<T>(tag, count)) {}
  device::Span<const T> upload(std::span<const T> from, Staging<Space::kDevice>& staging) const {
    const device::Span<T> to = memory_.span().subspan(0, from.size());
    staging.upload(from, to);
    return to;
  }
  static constexpr std::uint64_t bytes(std::uint64_t count) { return buffer_bytes<Space::kDevice, T>(count); }

 private:
  memory::DeviceBuffer<T> memory_;
};

/// The host's copy of what an executor has.
template <Space kSpace, class T>
class HostCopy;

template <class T>
class HostCopy<Space::kHost, T> {
 public:
  HostCopy(memory::Pool& /*host*/, memory::Tag /*tag*/, std::uint64_t /*count*/) {}
  /// What the host reads of `from`, at most `count` elements, from synchronize() to the next download.
  std::span<T> download(std::span<T> from, const HostExecutor& /*executor*/) const { return from; }
  static constexpr std::uint64_t bytes(std::uint64_t /*count*/) { return 0; }
};

template <class T>
class HostCopy<Space::kDevice, T> {
 public:
  HostCopy(memory::Pool& host, memory::Tag tag, std::uint64_t count) : memory_(host.allocate<T>(tag, count)) {}
  std::span<T> download(device::Span<T> from, const DeviceExecutor& executor) const {
    const std::span<T> to = memory_.span().first(from.size());
    executor.download(device::Span<const T>(from), to);
    return to;
  }
  static constexpr std::uint64_t bytes(std::uint64_t count) { return buffer_bytes<Space::kHost, T>(count); }

 private:
  memory::Buffer<T> memory_;
};

}  // namespace tessera::execution
