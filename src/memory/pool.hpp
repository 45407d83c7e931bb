// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace tessera::memory {

/// What an allocation is for; peaks are reported by tag.
enum class Tag : std::uint8_t {
  kRows,        ///< entity and relation rows
  kState,       ///< optimiser state
  kQueries,     ///< queries of the owned parts, all splits
  kBatch,       ///< index lists of the batches in flight
  kHalo,        ///< rows fetched from other parts
  kGradients,   ///< gradients of rows
  kLogits,      ///< scores and softmax weights
  kExchange,    ///< send and receive buffers
  kEvaluation,  ///< blocks of queries that are ranked or searched
  kAverage,     ///< averages of entity and relation rows
};
inline constexpr std::size_t kTagCount = 10;

/// "rows", "state", ...
const char* name(Tag tag);

class Pool;

/// Owns a block of a pool; gives it back when destroyed. The pool outlives its buffers.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), view_(std::exchange(other.view_, {})) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(view_, other.view_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  [[nodiscard]] T* data() const { return view_.data(); }
  [[nodiscard]] std::size_t size() const { return view_.size(); }
  [[nodiscard]] std::span<T> span() const { return view_; }
  T& operator[](std::size_t i) const { return view_[i]; }

 private:
  friend class Pool;
  Buffer(Pool* pool, std::span<T> view) : pool_(pool), view_(view) {}
  Pool* pool_ = nullptr;
  std::span<T> view_;
};

struct TagUse {
  std::uint64_t bytes = 0;
  std::uint64_t peak_bytes = 0;
};

/// One arena for all large memory of a rank. Its bytes are reserved at once and sub-allocated best fit; nothing beyond
/// the budget is ever asked of the system. Not thread safe: ranks allocate while they set up, not in loops.
class Pool {
 public:
  explicit Pool(std::uint64_t budget_bytes);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// `count` zeroed elements, aligned to 64 bytes. Throws Error(kOverBudget) with the use by tag when it does not fit.
  template <class T>
  Buffer<T> allocate(Tag tag, std::uint64_t count) {
    void* block = allocate_bytes(tag, count, sizeof(T));
    return Buffer<T>(this, std::span<T>(static_cast<T*>(block), count));
  }

  [[nodiscard]] std::uint64_t budget_bytes() const { return budget_; }
  [[nodiscard]] std::uint64_t used_bytes() const { return used_; }
  [[nodiscard]] std::uint64_t peak_bytes() const { return peak_; }
  [[nodiscard]] TagUse use(Tag tag) const { return uses_.at(static_cast<std::size_t>(tag)); }
  /// Allocations since the pool was made; a loop that allocates nothing does not change it.
  [[nodiscard]] std::uint64_t allocation_count() const { return allocation_count_; }
  /// "rows 12.0 MiB, logits 8.0 MiB, ...", the largest first.
  [[nodiscard]] std::string describe() const;

 private:
  template <class T>
  friend class Buffer;
  struct Block {
    std::uint64_t bytes;
    Tag tag;
  };
  void* allocate_bytes(Tag tag, std::uint64_t count, std::uint64_t element_bytes);
  void release(void* block) noexcept;
  void merge_free(std::uint64_t offset, std::uint64_t bytes);

  std::uint64_t budget_;
  std::byte* base_ = nullptr;
  std::uint64_t used_ = 0;
  std::uint64_t peak_ = 0;
  std::uint64_t allocation_count_ = 0;
  std::array<TagUse, kTagCount> uses_{};
  std::map<std::uint64_t, std::uint64_t> free_;  // offset -> bytes
  std::map<std::uint64_t, Block> allocated_;     // offset -> block
};

template <class T>
Buffer<T>::~Buffer() {
  if (pool_ != nullptr) pool_->release(view_.data());
}

}  // namespace tessera::memory
