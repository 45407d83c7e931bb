// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/groups.hpp"

#include "core/error.hpp"
#include "exchange/row_sort.hpp"

#include <algorithm>
#include <bit>

namespace tessera::exchange {

using memory::Tag;

Groups::Groups(std::uint64_t capacity, memory::Pool& pool)
    : keys_(pool.allocate<std::uint64_t>(Tag::kBatch, capacity)),
      scratch_(pool.allocate<std::uint64_t>(Tag::kBatch, capacity)),
      ids_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity)),
      offsets_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity + 1)),
      positions_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity)) {
  if (capacity > kPositionMask)
    fail(ExitStatus::kUsage, "a step would sort {} ids, and {} is the most; lower train.batch_size or use more parts",
         capacity, kPositionMask);
  offsets_[0] = 0;
}

void Groups::build(std::span<const std::uint32_t> ids, std::uint64_t id_bound) {
  TESSERA_ASSERT(ids.size() <= keys_.size(), "more ids than planned");
  count_ = ids.size();
  for (std::size_t i = 0; i < count_; ++i) keys_[i] = (std::uint64_t{ids[i]} << kPositionBits) | i;
  const auto bits = static_cast<unsigned>(std::bit_width(std::max<std::uint64_t>(2, id_bound) - 1));
  radix_sort(keys_.span().first(count_), scratch_.span(), kPositionBits, kPositionBits + bits);
  distinct_ = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const auto id = static_cast<std::uint32_t>(keys_[i] >> kPositionBits);
    if (i == 0 || id != ids_[distinct_ - 1]) {
      offsets_[distinct_] = static_cast<std::uint32_t>(i);
      ids_[distinct_++] = id;
    }
    positions_[i] = static_cast<std::uint32_t>(keys_[i] & kPositionMask);
  }
  offsets_[distinct_] = static_cast<std::uint32_t>(count_);
}

std::size_t Groups::lower_bound(std::uint32_t id) const {
  const auto known = ids();
  return static_cast<std::size_t>(std::lower_bound(known.begin(), known.end(), id) - known.begin());
}

}  // namespace tessera::exchange
