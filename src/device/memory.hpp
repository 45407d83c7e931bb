// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"
#include "device/span.hpp"
#include "device/stream.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace tessera::device {

/// Owns a block of device memory. One per arena: everything smaller comes from a pool (memory/pool.hpp).
class Block {
 public:
  /// Throws Error(kOverBudget) when the device has not that much. Contents undefined; aligned to 256 bytes.
  Block(Device device, std::uint64_t bytes);
  Block(Block&& other) noexcept : device_(other.device_), span_(std::exchange(other.span_, {})) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(span_, other.span_);
    return *this;
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block();  // NOLINT(performance-trivially-destructible): it is only where there is no CUDA
  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] Span<std::byte> span() const { return span_; }

 private:
  Device device_;
  Span<std::byte> span_;
};

/// Keeps host memory locked and known to the driver ("pinned") while it lives; the memory outlives it.
class Registration {
 public:
  /// Takes about 0.2 s per GiB once the pages are there. Where the system forbids it (ulimit -l), a warning says so,
  /// and the memory stays as it is: copies from and to it are right, and slower.
  Registration(Device device, std::span<std::byte> memory);
  Registration(Registration&& other) noexcept : device_(other.device_), memory_(std::exchange(other.memory_, {})) {}
  Registration& operator=(Registration&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(memory_, other.memory_);
    return *this;
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration();  // NOLINT(performance-trivially-destructible): it is only where there is no CUDA

 private:
  Device device_;
  std::span<std::byte> memory_;
};

// Transfers are enqueued on `stream`; both sides have the same size and stay as they are until it has passed them. From
// or to memory that is not pinned the call itself may wait for the copy.
void copy_bytes(std::span<const std::byte> from, Span<std::byte> to, StreamView stream);
void copy_bytes(Span<const std::byte> from, std::span<std::byte> to, StreamView stream);
void copy_bytes(Span<const std::byte> from, Span<std::byte> to, StreamView stream);

/// Sets all bytes to 0, enqueued on `stream`.
void clear_bytes(Span<std::byte> memory, StreamView stream);
/// Sets all bytes to 0 and waits for it: for what is allocated before any stream uses it.
void clear_bytes(Span<std::byte> memory, Device device);

template <class T>
void copy(std::span<const T> from, Span<T> to, StreamView stream) {
  copy_bytes(std::as_bytes(from), as_bytes(to), stream);
}
template <class T>
void copy(Span<const T> from, std::span<T> to, StreamView stream) {
  copy_bytes(as_bytes(from), std::as_writable_bytes(to), stream);
}

}  // namespace tessera::device
