// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/detail/packed_store.hpp"

#include <algorithm>

namespace tessera::storage::detail {
PageIndex::PageIndex(std::vector<std::uint8_t> separators, std::vector<std::uint64_t> offsets)
    : separators_(std::move(separators)), offsets_(std::move(offsets)) {
  const std::uint64_t pages = offsets_.size() - 1;
  if (pages < 2) return;
  shared_ = shared_bytes(separator(1), separator(pages - 1));
  keys_.reserve(pages - 1);
  for (std::uint64_t page = 1; page < pages; ++page) {
    const std::string_view own = separator(page);
    keys_.push_back(head_of<std::uint64_t>(own.substr(std::min(shared_, own.size()))));
  }
}

std::string_view PageIndex::separator(std::uint64_t page) const {
  return {reinterpret_cast<const char*>(separators_.data()) + offsets_[page], offsets_[page + 1] - offsets_[page]};
}

std::uint64_t PageIndex::page_of(std::string_view string) const {
  if (keys_.empty()) return 0;
  const int side = string.substr(0, shared_).compare(separator(1).substr(0, shared_));
  if (side != 0) return side < 0 ? 0 : keys_.size();
  const std::uint64_t key = head_of<std::uint64_t>(string.substr(shared_));
  const auto [first, last] = std::equal_range(keys_.begin(), keys_.end(), key);
  std::uint64_t low = static_cast<std::uint64_t>(first - keys_.begin());
  std::uint64_t high = static_cast<std::uint64_t>(last - keys_.begin());
  while (low < high) {  // those with the same key
    const std::uint64_t middle = (low + high) / 2;
    if (separator(middle + 1) <= string)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace tessera::storage::detail
