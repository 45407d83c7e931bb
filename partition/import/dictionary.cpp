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
constexpr unsigned kPlaceBits = 40;
constexpr std::uint64_t kPlaceMask = (std::uint64_t{1} << kPlaceBits) - 1;
constexpr std::uint64_t kAlignment = 8;  // alignment of records, so that 40 bits stand for 8 TiB of text
constexpr unsigned kLengthBits = 16;
constexpr std::uint64_t kHeaderBytes = sizeof(std::uint64_t);  // the number above, the length in the low bits

// The table takes the low bits of a hash, the tag in a slot the high ones.
std::uint64_t tag_of(std::uint64_t hash) { return hash & ~kPlaceMask; }
std::uint64_t make_slot(std::uint64_t hash, std::uint64_t place) { return tag_of(hash) | (place / kAlignment + 1); }
std::uint64_t place_of(std::uint64_t slot) { return ((slot & kPlaceMask) - 1) * kAlignment; }

std::uint64_t header_of(const char* record) {
  std::uint64_t header = 0;
  std::memcpy(&header, record, sizeof(header));
  return header;
}

std::string_view name_of(const char* record, std::uint64_t header) {
  return {record + kHeaderBytes, static_cast<std::size_t>(header & Dictionary::kLongestName)};
}

}  // namespace

Dictionary::Dictionary(std::uint64_t first) : first_(first), slots_(kFirstSlots), mask_(kFirstSlots - 1) {}

std::uint64_t Dictionary::hash(std::string_view name) { return XXH3_64bits(name.data(), name.size()); }

void Dictionary::prefetch_record(std::uint64_t name_hash) const {
  const std::uint64_t slot = slots_[name_hash & mask_];
  if (slot != 0) __builtin_prefetch(record(place_of(slot)));
}

std::string_view Dictionary::name_at(std::uint64_t place) const {
  const char* const at = record(place);
  return name_of(at, header_of(at));
}

std::uint64_t Dictionary::intern(std::string_view name, std::uint64_t name_hash) {
  for (std::size_t at = name_hash & mask_;; at = (at + 1) & mask_) {
    const std::uint64_t slot = slots_[at];
    if (slot == 0) return add(name, name_hash, at);
    if (tag_of(slot) != tag_of(name_hash)) continue;
    const char* const found = record(place_of(slot));
    const std::uint64_t header = header_of(found);
    if (name_of(found, header) == name) return header >> kLengthBits;
  }
}

bool Dictionary::contains(std::string_view name) const {
  const std::uint64_t name_hash = hash(name);
  for (std::size_t at = name_hash & mask_; slots_[at] != 0; at = (at + 1) & mask_) {
    if (tag_of(slots_[at]) != tag_of(name_hash)) continue;
    const char* const found = record(place_of(slots_[at]));
    if (name_of(found, header_of(found)) == name) return true;
  }
  return false;
}

std::uint64_t Dictionary::add(std::string_view name, std::uint64_t name_hash, std::size_t slot) {
  const std::uint64_t number = end();
  TESSERA_ASSERT(name.size() <= kLongestName, "a name in a dictionary has at most 64 KiB");
  places_.push_back(store(name, number));
  slots_[slot] = make_slot(name_hash, places_.back());
  if (3 * places_.size() > 2 * slots_.size()) grow();
  return number;
}

std::uint64_t Dictionary::store(std::string_view name, std::uint64_t number) {
  const std::uint64_t needed = (kHeaderBytes + name.size() + kAlignment - 1) / kAlignment * kAlignment;
  if (blocks_.empty() || block_used_ + needed > kBlockBytes) {
    TESSERA_ASSERT(blocks_.size() < (kPlaceMask * kAlignment >> kBlockBits), "a dictionary takes 8 TiB of names");
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
    block_used_ = 0;
  }
  const std::uint64_t place = ((blocks_.size() - 1) << kBlockBits) + block_used_;
  const std::uint64_t header = (number << kLengthBits) | name.size();
  std::memcpy(record(place), &header, sizeof(header));
  if (!name.empty()) std::memcpy(record(place) + kHeaderBytes, name.data(), name.size());
  block_used_ += needed;
  return place;
}

void Dictionary::grow() {
  std::vector<std::uint64_t>(2 * slots_.size()).swap(slots_);
  mask_ = slots_.size() - 1;
  for (const std::uint64_t place : places_) {  // in the order of the text
    const std::uint64_t name_hash = hash(name_at(place));
    std::size_t at = name_hash & mask_;
    while (slots_[at] != 0) at = (at + 1) & mask_;
    slots_[at] = make_slot(name_hash, place);
  }
}

}  // namespace tessera::partition
