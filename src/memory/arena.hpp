// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"
#include "device/memory.hpp"
#include "device/space.hpp"
#include "device/span.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace tessera::memory {

/// Owns an address range of the process. Pages come when they are first written, huge ones where the system has them.
class Mapping {
 public:
  /// Throws Error(kOverBudget) when the system has no such range.
  explicit Mapping(std::uint64_t bytes);
  Mapping(Mapping&& other) noexcept : memory_(std::exchange(other.memory_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(memory_, other.memory_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();
  [[nodiscard]] std::span<std::byte> span() const { return memory_; }

 private:
  std::span<std::byte> memory_;
};

/// All the memory of a pool on the host, pinned or not. Pinned memory is written once by `threads` threads, so that its
/// pages are there and near them, and then registered with the driver in one call: about 0.3 s per GiB.
class HostArena {
 public:
  explicit HostArena(std::uint64_t bytes) : mapping_(bytes) {}
  HostArena(device::Device device, std::uint64_t bytes, std::size_t threads);
  [[nodiscard]] std::byte* base() const { return mapping_.span().data(); }
  [[nodiscard]] device::Space space() const { return registration_ ? device::Space::kPinned : device::Space::kHost; }

 private:
  Mapping mapping_;
  std::optional<device::Registration> registration_;  // goes before the memory does
};

/// Writes a byte of every page of `memory`, in parallel.
void touch_pages(std::span<std::byte> memory, std::size_t threads);

/// All the memory of a pool on a device, in one allocation.
class DeviceArena {
 public:
  /// Throws Error(kOverBudget) when the device has not that much free; it says what it has.
  DeviceArena(device::Device device, std::uint64_t bytes);
  [[nodiscard]] device::Device device() const { return block_.device(); }
  [[nodiscard]] std::byte* base() const { return block_.span().data(); }

 private:
  device::Block block_;
};

/// Refuses `bytes` of device memory, of which `free_bytes` of `total_bytes` are free, with Error(kOverBudget). A
/// sixteenth of what is free stays for the driver, kernels and libraries.
void check_device_budget(std::uint64_t bytes, std::uint64_t free_bytes, std::uint64_t total_bytes);

}  // namespace tessera::memory
