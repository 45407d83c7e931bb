// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"
#include "device/space.hpp"
#include "device/span.hpp"
#include "memory/arena.hpp"
#include "memory/detail/allocator.hpp"
#include "memory/tag.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace tessera::memory {

/// Blocks of a pool are whole units.
inline constexpr std::uint64_t kHostUnitBytes = 64;
inline constexpr std::uint64_t kDeviceUnitBytes = 256;  ///< what cuBLAS asks of its workspace

/// The base of all pools: one arena, whose bytes are reserved at once and sub-allocated best fit. A pool asks the
/// system for nothing beyond its budget. Not thread safe: ranks allocate while they set up, not in loops.
class PoolUse {
 public:
  [[nodiscard]] std::uint64_t budget_bytes() const { return budget_bytes_; }
  [[nodiscard]] std::uint64_t used_bytes() const { return allocator_.used_bytes(); }
  /// The rest of the budget. A pool to plan with may be over its budget: then it is 0.
  [[nodiscard]] std::uint64_t free_bytes() const {
    return budget_bytes_ > used_bytes() ? budget_bytes_ - used_bytes() : 0;
  }
  [[nodiscard]] std::uint64_t peak_bytes() const { return allocator_.peak_bytes(); }
  [[nodiscard]] TagUse use(Tag tag) const { return allocator_.use(tag); }
  /// Allocations since the pool was made; a loop that allocates nothing does not change it.
  [[nodiscard]] std::uint64_t allocation_count() const { return allocator_.allocation_count(); }
  /// "rows 12.0 MiB, logits 8.0 MiB, ...", the largest first.
  [[nodiscard]] std::string describe() const { return allocator_.describe(); }

  PoolUse(const PoolUse&) = delete;
  PoolUse& operator=(const PoolUse&) = delete;

 protected:
  explicit PoolUse(detail::Allocator allocator)
      : allocator_(std::move(allocator)), budget_bytes_(allocator_.budget_bytes()) {}
  PoolUse(detail::Allocator allocator, std::uint64_t budget_bytes)
      : allocator_(std::move(allocator)), budget_bytes_(budget_bytes) {}
  ~PoolUse() = default;

  detail::Allocator allocator_;  // NOLINT(misc-non-private-member-variables-in-classes)

 private:
  std::uint64_t budget_bytes_;
};

/// Owns a block of a pool; gives it back when destroyed. The pool outlives its buffers. `View` is a std::span or, for
/// memory that the host cannot read, a device::Span.
template <class Pool, class View>
class BasicBuffer {
 public:
  BasicBuffer() = default;
  BasicBuffer(BasicBuffer&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), view_(std::exchange(other.view_, {})) {}
  BasicBuffer& operator=(BasicBuffer&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(view_, other.view_);
    return *this;
  }
  BasicBuffer(const BasicBuffer&) = delete;
  BasicBuffer& operator=(const BasicBuffer&) = delete;
  ~BasicBuffer() {
    if (pool_ != nullptr) pool_->release(view_.data());
  }

  [[nodiscard]] auto data() const { return view_.data(); }
  [[nodiscard]] std::size_t size() const { return view_.size(); }
  [[nodiscard]] View span() const { return view_; }
  auto& operator[](std::size_t i) const requires requires(View view) { view[0]; }
  { return view_[i]; }

 private:
  friend Pool;
  BasicBuffer(Pool* pool, View view) : pool_(pool), view_(view) {}
  Pool* pool_ = nullptr;
  View view_;
};

class Pool;
class DevicePool;

template <class T>
using Buffer = BasicBuffer<Pool, std::span<T>>;
template <class T>
using DeviceBuffer = BasicBuffer<DevicePool, device::Span<T>>;

/// The large memory of a rank on the host, all of it pinned or none.
class Pool : public PoolUse {
 public:
  /// Throws Error(kOverBudget) when it is less than 64 bytes, or more than the system can address.
  explicit Pool(std::uint64_t budget_bytes);
  /// A pool to plan with: what is constructed over it takes bytes and tags as over any pool, but pages that nobody
  /// writes take no memory. It states a budget, and refuses nothing that is above it. Nothing is given back to it.
  static Pool planning(std::uint64_t budget_bytes = kNoBudget);
  static constexpr std::uint64_t kNoBudget = std::uint64_t{1} << 42U;  ///< more than any host has
  /// Whether it only counts: nobody will use what lies in its memory.
  [[nodiscard]] bool is_planning() const { return !clears_; }
  /// Pinned: what devices read and write directly. Counts against the host's budget as any other memory does.
  Pool(device::Device device, std::uint64_t budget_bytes, std::size_t threads);

  /// `count` zeroed elements, aligned to 64 bytes. Throws Error(kOverBudget) with the use by tag when it does not fit.
  template <class T>
  Buffer<T> allocate(Tag tag, std::uint64_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    void* block = allocate_bytes(tag, count, sizeof(T));
    return Buffer<T>(this, std::span<T>(static_cast<T*>(block), count));
  }
  [[nodiscard]] device::Space space() const { return arena_.space(); }

 private:
  template <class P, class V>
  friend class BasicBuffer;
  struct Planning {
    std::uint64_t budget_bytes;
  };
  explicit Pool(Planning plan);
  void* allocate_bytes(Tag tag, std::uint64_t count, std::uint64_t element_bytes);
  void release(const void* block) noexcept;

  HostArena arena_;
  bool clears_ = true;
};

/// The large memory of a rank on a device.
class DevicePool : public PoolUse {
 public:
  /// Takes all of it at once, in whole units of 256 bytes. Throws Error(kOverBudget) when the device has not that much
  /// free.
  DevicePool(device::Device device, std::uint64_t budget_bytes);

  /// `count` zeroed elements, aligned to 256 bytes; waits for the zeroing. Throws Error(kOverBudget) with the use by
  /// tag when it does not fit. A buffer that is given back may still be in use by a stream: the caller waits for that
  /// first.
  template <class T>
  DeviceBuffer<T> allocate(Tag tag, std::uint64_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    void* block = allocate_bytes(tag, count, sizeof(T));
    return DeviceBuffer<T>(this, device::Span<T>(static_cast<T*>(block), count));
  }
  [[nodiscard]] device::Device device() const { return arena_.device(); }

 private:
  template <class P, class V>
  friend class BasicBuffer;
  void* allocate_bytes(Tag tag, std::uint64_t count, std::uint64_t element_bytes);
  void release(const void* block) noexcept;

  DeviceArena arena_;
};

}  // namespace tessera::memory
