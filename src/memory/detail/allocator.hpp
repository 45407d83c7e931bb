// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "memory/tag.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tessera::memory::detail {

/// Which bytes of an arena are given out, and for what: best fit, in whole units. Knows offsets only, so that it serves
/// memory that the host cannot read.
class Allocator {
 public:
  /// `arena` and `advice` complete the message of a refusal: "the ARENA budget of ... is too small ... ADVICE".
  /// Blocks begin and end at multiples of `unit_bytes`.
  Allocator(std::uint64_t bytes, std::string_view arena, std::string_view advice, std::uint64_t unit_bytes);

  struct Place {
    std::uint64_t offset;
    std::uint64_t bytes;  ///< whole units, at least one
  };
  /// Throws Error(kOverBudget) with the use by tag when there is no free run of that many elements.
  Place allocate(Tag tag, std::uint64_t count, std::uint64_t element_bytes);
  /// Gives back what allocate() gave.
  void release(std::uint64_t offset) noexcept;

  [[nodiscard]] std::uint64_t budget_bytes() const { return budget_; }
  [[nodiscard]] std::uint64_t used_bytes() const { return used_; }
  [[nodiscard]] std::uint64_t peak_bytes() const { return peak_; }
  [[nodiscard]] TagUse use(Tag tag) const { return uses_.at(static_cast<std::size_t>(tag)); }
  [[nodiscard]] std::uint64_t allocation_count() const { return allocation_count_; }
  [[nodiscard]] std::string describe() const;

 private:
  struct Block {
    std::uint64_t bytes;
    Tag tag;
  };
  void count(Tag tag, std::uint64_t bytes);
  void merge_free(std::uint64_t offset, std::uint64_t bytes);

  [[nodiscard]] std::uint64_t bytes_of(std::uint64_t count, std::uint64_t element_bytes) const;

  std::uint64_t unit_;
  std::uint64_t budget_;
  std::string_view arena_;
  std::string_view advice_;
  std::uint64_t used_ = 0;
  std::uint64_t peak_ = 0;
  std::uint64_t allocation_count_ = 0;
  std::array<TagUse, kTagCount> uses_{};
  std::map<std::uint64_t, std::uint64_t> free_;  // offset -> bytes
  std::map<std::uint64_t, Block> allocated_;     // offset -> block
};

}  // namespace tessera::memory::detail
