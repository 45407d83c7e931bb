// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/detail/page_cache.hpp"

#include <algorithm>

namespace tessera::storage::detail {
namespace {

// As many as fit when the pages have their mean size.
std::uint64_t slots_for(std::uint64_t bytes, std::uint64_t pages) {
  const std::uint64_t mean = bytes / std::max<std::uint64_t>(pages, 1) + 1;
  return std::max<std::uint64_t>(1, std::min(pages, PageCache::kMostBytes / mean));
}

}  // namespace

PageCache::PageCache(DatasetBytes source, std::uint64_t pages)
    : source_(std::move(source)), slots_(slots_for(source_.size(), pages)) {}

void PageCache::load(const Page& page, Slot& slot) {
  if (held_bytes_ - slot.size + page.size > kMostBytes) clear();
  slot.index = kNone;
  held_bytes_ -= slot.size;
  slot.size = 0;
  slot.bytes = std::make_unique_for_overwrite<std::uint8_t[]>(page.size + kPadding);
  slot.size = page.size;
  held_bytes_ += slot.size;
  source_.read(page.first, {slot.bytes.get(), slot.size});
  std::fill_n(slot.bytes.get() + slot.size, kPadding, std::uint8_t{0});
}

void PageCache::clear() {
  for (Slot& slot : slots_) slot = Slot();
  held_bytes_ = 0;
}

}  // namespace tessera::storage::detail
