// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/dataset_bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tessera::storage::detail {

/// Pages of a dataset that were read last: a system call for each look-up would cost more than the look-up. Holds
/// kMostBytes at most, and nothing before the first read.
class PageCache {
 public:
  struct Page {
    std::uint64_t index;
    std::uint64_t first;
    std::size_t size;
  };
  static constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20U;

  /// `pages`: how many there are.
  PageCache(DatasetBytes source, std::uint64_t pages);
  /// The bytes of a page; kPadding more are readable. Valid until the next call. `check` sees each page that is read.
  template <class Check>
  std::span<const std::uint8_t> get(const Page& page, const Check& check) {
    Slot& slot = slots_[page.index % slots_.size()];
    if (slot.index != page.index) {
      load(page, slot);
      check(slot.view());
      slot.index = page.index;
    }
    return slot.view();
  }
  [[nodiscard]] const DatasetBytes& source() const { return source_; }

  static constexpr std::size_t kPadding = 16;

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t index = kNone;
    std::size_t size = 0;
    std::unique_ptr<std::uint8_t[]> bytes;
    [[nodiscard]] std::span<const std::uint8_t> view() const { return {bytes.get(), size}; }
  };
  void load(const Page& page, Slot& slot);
  void clear();

  DatasetBytes source_;
  std::vector<Slot> slots_;
  std::uint64_t held_bytes_ = 0;
};

}  // namespace tessera::storage::detail
