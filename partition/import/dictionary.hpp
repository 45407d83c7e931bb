// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace tessera::partition {

/// Distinct names, numbered in the order in which they were first seen. About 30 bytes a name beside its text: the text
/// in blocks, an entry with its place and hash, a slot of an open-addressing table that is at most two thirds full.
class Dictionary {
 public:
  static constexpr std::size_t kLongestName = (std::size_t{1} << 16U) - 1;

  Dictionary();

  static std::uint64_t hash(std::string_view name);
  /// The number of `name`, which is added when it is new. `name_hash` must be hash(name); at most kLongestName bytes.
  std::uint64_t intern(std::string_view name, std::uint64_t name_hash);
  std::uint64_t intern(std::string_view name) { return intern(name, hash(name)); }

  /// Hints that hide the latency of a later intern(): first the slot, then what the slot points to, then the text.
  void prefetch_slot(std::uint64_t name_hash) const { __builtin_prefetch(&slots_[name_hash & mask_]); }
  void prefetch_entry(std::uint64_t name_hash) const;
  void prefetch_text(std::uint64_t name_hash) const;

  [[nodiscard]] std::uint64_t size() const { return entries_.size(); }
  [[nodiscard]] std::string_view name(std::uint64_t number) const { return text(entries_[number]); }
  [[nodiscard]] std::uint64_t text_bytes() const { return text_bytes_; }

 private:
  struct Entry {
    std::uint64_t place_and_length;  // 48 bits of place, 16 bits of length
    std::uint64_t hash;
  };
  static constexpr unsigned kBlockBits = 22;
  static constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << kBlockBits;

  [[nodiscard]] std::string_view text(const Entry& entry) const {
    const std::uint64_t place = entry.place_and_length >> 16U;
    return {blocks_[place >> kBlockBits].get() + (place & (kBlockBytes - 1)),
            static_cast<std::size_t>(entry.place_and_length & 0xFFFFU)};
  }
  std::uint64_t add(std::string_view name, std::uint64_t name_hash, std::size_t slot);
  std::uint64_t store(std::string_view name);
  void grow();

  std::vector<std::uint64_t> slots_;  // 24 bits of hash, 40 bits of number + 1; 0 is free
  std::uint64_t mask_;
  std::vector<Entry> entries_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::uint64_t block_used_ = 0;
  std::uint64_t text_bytes_ = 0;
};

}  // namespace tessera::partition
