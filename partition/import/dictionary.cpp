// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/dictionary.hpp"

#include "core/error.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the switch of xxhash.h
#include <xxhash.h>

#include <cstring>

namespace tessera::partition {
namespace {

constexpr std::size_t kFirstSlots = 1024;
constexpr unsigned kNumberBits = 40;
constexpr std::uint64_t kNumberMask = (std::uint64_t{1} << kNumberBits) - 1;

// The table takes the low bits of a hash, the tag in a slot the high ones.
std::uint64_t tag_of(std::uint64_t hash) { return hash & ~kNumberMask; }

}  // namespace

Dictionary::Dictionary() : slots_(kFirstSlots), mask_(kFirstSlots - 1) {}

std::uint64_t Dictionary::hash(std::string_view name) { return XXH3_64bits(name.data(), name.size()); }

void Dictionary::prefetch_entry(std::uint64_t name_hash) const {
  const std::uint64_t slot = slots_[name_hash & mask_];
  if (slot != 0) __builtin_prefetch(&entries_[(slot & kNumberMask) - 1]);
}

void Dictionary::prefetch_text(std::uint64_t name_hash) const {
  const std::uint64_t slot = slots_[name_hash & mask_];
  if (slot != 0) __builtin_prefetch(text(entries_[(slot & kNumberMask) - 1]).data());
}

std::uint64_t Dictionary::intern(std::string_view name, std::uint64_t name_hash) {
  for (std::size_t at = name_hash & mask_;; at = (at + 1) & mask_) {
    const std::uint64_t slot = slots_[at];
    if (slot == 0) return add(name, name_hash, at);
    if (tag_of(slot) != tag_of(name_hash)) continue;
    const std::uint64_t number = (slot & kNumberMask) - 1;
    const Entry& entry = entries_[number];
    if (entry.hash == name_hash && text(entry) == name) return number;
  }
}

std::uint64_t Dictionary::add(std::string_view name, std::uint64_t name_hash, std::size_t slot) {
  const std::uint64_t number = entries_.size();
  TESSERA_ASSERT(name.size() <= kLongestName && number + 1 < kNumberMask, "a dictionary takes 2^40 names of 64 KiB");
  entries_.push_back({(store(name) << 16U) | name.size(), name_hash});
  slots_[slot] = tag_of(name_hash) | (number + 1);
  if (3 * entries_.size() > 2 * slots_.size()) grow();
  return number;
}

std::uint64_t Dictionary::store(std::string_view name) {
  if (blocks_.empty() || block_used_ + name.size() > kBlockBytes) {
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
    block_used_ = 0;
  }
  if (!name.empty()) std::memcpy(blocks_.back().get() + block_used_, name.data(), name.size());
  const std::uint64_t place = ((blocks_.size() - 1) << kBlockBits) + block_used_;
  block_used_ += name.size();
  text_bytes_ += name.size();
  return place;
}

void Dictionary::grow() {
  std::vector<std::uint64_t>(2 * slots_.size()).swap(slots_);
  mask_ = slots_.size() - 1;
  for (std::uint64_t number = 0; number < entries_.size(); ++number) {
    const std::uint64_t name_hash = entries_[number].hash;
    std::size_t at = name_hash & mask_;
    while (slots_[at] != 0) at = (at + 1) & mask_;
    slots_[at] = tag_of(name_hash) | (number + 1);
  }
}

}  // namespace tessera::partition
