// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/partition_manifest.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <span>

namespace tessera::exchange {

/// The entity rows that one part touches in one step. Each use of a row is an *occurrence*; occurrences are numbered by
/// the caller. Distinct rows are ordered by global id, hence by owner.
class RowRequests {
 public:
  /// For up to `capacity` occurrences; memory from the pool.
  RowRequests(const graph::PartitionManifest& manifest, PartId part, std::uint64_t capacity, memory::Pool& pool);

  /// Builds everything from the global ids of the occurrences. O(n), no allocation.
  void build(std::span<const std::uint64_t> occurrences);

  /// Distinct entities, ascending.
  [[nodiscard]] std::span<const std::uint64_t> entities() const { return entities_.span().first(distinct_); }
  /// Entities owned by part q are entities()[owner_begin(q)] .. entities()[owner_begin(q + 1) - 1].
  [[nodiscard]] std::uint32_t owner_begin(PartId q) const { return owner_offsets_[q.index()]; }
  [[nodiscard]] std::uint32_t count(PartId q) const {
    return owner_offsets_[q.index() + 1] - owner_offsets_[q.index()];
  }
  /// Occurrences of distinct entity u: positions()[segment_offsets()[u]] .. positions()[segment_offsets()[u + 1] - 1].
  [[nodiscard]] std::span<const std::uint32_t> segment_offsets() const {
    return segment_offsets_.span().first(distinct_ + 1);
  }
  [[nodiscard]] std::span<const std::uint32_t> positions() const { return positions_.span().first(occurrences_); }
  /// Row of an occurrence in PartTable::rows_and_spare: own rows first, then the halo in order of entity.
  [[nodiscard]] std::span<const std::uint32_t> table_rows() const { return table_rows_.span().first(occurrences_); }
  /// Index into entities() of an occurrence.
  [[nodiscard]] std::span<const std::uint32_t> distinct() const { return distinct_of_.span().first(occurrences_); }
  /// Where the halo block of owner q starts in PartTable::rows_and_spare.
  [[nodiscard]] std::uint64_t halo_row(PartId q) const;

 private:
  void find_segments();
  void find_owners();
  const graph::PartitionManifest& manifest_;
  PartId part_;
  std::size_t distinct_ = 0;
  std::size_t occurrences_ = 0;
  memory::Buffer<std::uint64_t> keys_;
  memory::Buffer<std::uint64_t> scratch_;
  memory::Buffer<std::uint64_t> entities_;
  memory::Buffer<std::uint32_t> owner_offsets_;
  memory::Buffer<std::uint32_t> segment_offsets_;
  memory::Buffer<std::uint32_t> positions_;
  memory::Buffer<std::uint32_t> table_rows_;
  memory::Buffer<std::uint32_t> distinct_of_;
};

}  // namespace tessera::exchange
