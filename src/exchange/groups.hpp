// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "memory/pool.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::exchange {

/// Positions by id: the distinct ids of a list, ascending, and where each occurs, in order. Sums by id follow it.
class Groups {
 public:
  /// For lists of up to `capacity` ids; memory from the pool.
  Groups(std::uint64_t capacity, memory::Pool& pool);

  /// O(n), no allocation. Ids are below `id_bound`.
  void build(std::span<const std::uint32_t> ids, std::uint64_t id_bound);

  [[nodiscard]] std::size_t size() const { return distinct_; }
  [[nodiscard]] std::span<const std::uint32_t> ids() const { return ids_.span().first(distinct_); }
  /// Positions of ids()[u]: positions()[offsets()[u]] .. positions()[offsets()[u + 1] - 1].
  [[nodiscard]] std::span<const std::uint32_t> offsets() const { return offsets_.span().first(distinct_ + 1); }
  [[nodiscard]] std::span<const std::uint32_t> positions() const { return positions_.span().first(count_); }
  [[nodiscard]] std::span<const std::uint32_t> positions_of(std::size_t u) const {
    return positions_.span().subspan(offsets_[u], offsets_[u + 1] - offsets_[u]);
  }
  /// Index of the first distinct id that is not below `id`. O(log n).
  [[nodiscard]] std::size_t lower_bound(std::uint32_t id) const;

 private:
  std::size_t distinct_ = 0;
  std::size_t count_ = 0;
  memory::Buffer<std::uint64_t> keys_;
  memory::Buffer<std::uint64_t> scratch_;
  memory::Buffer<std::uint32_t> ids_;
  memory::Buffer<std::uint32_t> offsets_;
  memory::Buffer<std::uint32_t> positions_;
};

}  // namespace tessera::exchange
