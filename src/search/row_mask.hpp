// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

namespace tessera::search {

/// Which rows of a rank are candidates: one bit for each, in the order of their global ids.
class RowMask {
 public:
  /// `bits` [(rows + 63) / 64], clear behind the last row.
  explicit RowMask(std::vector<std::uint64_t> bits) : bits_(std::move(bits)) {
    for (const std::uint64_t word : bits_) count_ += static_cast<std::uint64_t>(std::popcount(word));
  }
  [[nodiscard]] bool has(std::uint64_t row) const { return (bits_[row / 64] >> (row % 64) & 1U) != 0; }
  /// Candidates.
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::vector<std::uint64_t> bits_;
  std::uint64_t count_ = 0;
};

}  // namespace tessera::search
