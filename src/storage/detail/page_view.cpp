// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "storage/detail/packed_store.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::storage::detail {
namespace {

constexpr std::size_t kHeadBytes = sizeof(std::uint32_t);

[[noreturn]] void fail_damaged() { fail(ExitStatus::kBadData, "a block of strings is damaged"); }

}  // namespace

PageView::PageView(std::span<const std::uint8_t> bytes, std::uint64_t strings)
    : bytes_(bytes), strings_(strings), buckets_((strings + kBucketStrings - 1) / kBucketStrings) {
  if (bytes_.size() < 2) fail_damaged();
  width_ = bytes_[0];
  heads_ = 2 + std::size_t{bytes_[1]};
  offsets_ = heads_ + (buckets_ - 1) * kHeadBytes;
  coded_ = offsets_ + (buckets_ - 1) * width_;
  if ((width_ != 2 && width_ != 4 && width_ != 8) || coded_ > bytes_.size()) fail_damaged();
}

std::uint64_t PageView::offset(std::uint64_t index) const {
  std::uint64_t offset = 0;
  if (width_ == 2 && index > 0) {
    std::uint16_t narrow = 0;
    std::memcpy(&narrow, bytes_.data() + offsets_ + 2 * (index - 1), sizeof(narrow));
    return narrow;
  }
  if (index > 0) std::memcpy(&offset, bytes_.data() + offsets_ + width_ * (index - 1), width_);
  return offset;
}

std::span<const std::uint8_t> PageView::bucket(std::uint64_t index) const {
  const std::uint64_t size = bytes_.size() - coded_;
  const std::uint64_t first = offset(index);
  const std::uint64_t end = index + 1 < buckets_ ? offset(index + 1) : size;
  if (first > end || end > size) fail_damaged();
  return bytes_.subspan(coded_ + first, end - first);
}

PageView::Range PageView::buckets_near(std::string_view rest) const {
  const auto head = head_of<std::uint32_t>(rest);
  std::uint64_t below = 0;
  std::uint64_t not_above = 0;
  for (std::uint64_t i = 0; i + 1 < buckets_; ++i) {  // without branches: faster than a binary search
    std::uint32_t other = 0;
    std::memcpy(&other, bytes_.data() + heads_ + i * kHeadBytes, kHeadBytes);
    below += other < head ? 1 : 0;
    not_above += other <= head ? 1 : 0;
  }
  return {below, not_above};
}

}  // namespace tessera::storage::detail
