// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace tessera::partition {

/// Distinct names, numbered in the order in which they were first seen. About 35 bytes a name beside its text: a record
/// in a block (number, length, text), its place by number, and a slot of an open-addressing table at most two thirds
/// full. Looking a name up touches two places in memory, the slot and the record.
class Dictionary {
 public:
  static constexpr std::size_t kLongestName = (std::size_t{1} << 16U) - 1;

  /// The first name that is added gets the number `first`.
  explicit Dictionary(std::uint64_t first = 0);

  static std::uint64_t hash(std::string_view name);
  /// The number of `name`, which is added when it is new. `name_hash` must be hash(name); at most kLongestName bytes.
  std::uint64_t intern(std::string_view name, std::uint64_t name_hash);
  std::uint64_t intern(std::string_view name) { return intern(name, hash(name)); }

  [[nodiscard]] bool contains(std::string_view name) const;

  /// Hints that hide the latency of a later intern(): first the slot, some time later the record that it points to.
  void prefetch_slot(std::uint64_t name_hash) const { __builtin_prefetch(&slots_[name_hash & mask_]); }
  void prefetch_record(std::uint64_t name_hash) const;

  [[nodiscard]] std::uint64_t size() const { return places_.size(); }
  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::uint64_t end() const { return first_ + places_.size(); }  ///< one past the last number
  [[nodiscard]] std::string_view name(std::uint64_t number) const { return name_at(places_[number - first_]); }
  /// Bytes in use, as many as the next few names may bring.
  [[nodiscard]] std::uint64_t bytes() const {
    const bool grows_soon = 8 * places_.size() > 5 * slots_.size();
    return (grows_soon ? 3 : 1) * 8 * slots_.size() + 8 * places_.capacity() + blocks_.size() * kBlockBytes;
  }

 private:
  static constexpr unsigned kBlockBits = 22;
  static constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << kBlockBits;

  [[nodiscard]] char* record(std::uint64_t place) const {
    return blocks_[place >> kBlockBits].get() + (place & (kBlockBytes - 1));
  }
  [[nodiscard]] std::string_view name_at(std::uint64_t place) const;
  std::uint64_t add(std::string_view name, std::uint64_t name_hash, std::size_t slot);
  std::uint64_t store(std::string_view name, std::uint64_t number);
  void grow();

  std::uint64_t first_;
  std::vector<std::uint64_t> slots_;  // 24 bits of hash, 40 bits of place / 8 + 1; 0 is free
  std::uint64_t mask_;
  std::vector<std::uint64_t> places_;  // by number
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::uint64_t block_used_ = 0;
};

}  // namespace tessera::partition
