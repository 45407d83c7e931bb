// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/rank_table.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <span>

namespace tessera::partition {

void RankTable::load(std::uint64_t number) {
  TESSERA_ASSERT(file_ && number < starts_.back(), "a number without a rank");
  const auto end = std::upper_bound(starts_.begin(), starts_.end(), number);
  first_ = *(end - 1);
  window_.resize(*end - first_);
  file_->read_at(first_ * sizeof(std::uint64_t), std::as_writable_bytes(std::span(window_)));
}

}  // namespace tessera::partition
