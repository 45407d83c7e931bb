// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/rows/row_requests.hpp"

#include "core/error.hpp"
#include "exchange/row_sort.hpp"

#include <algorithm>
#include <bit>

namespace tessera::exchange {

using memory::Tag;

RowRequests::RowRequests(const graph::PartitionManifest& manifest, PartId part, std::uint64_t capacity,
                         memory::Pool& pool)
    : manifest_(manifest),
      part_(part),
      keys_(pool.allocate<std::uint64_t>(Tag::kBatch, capacity)),
      scratch_(pool.allocate<std::uint64_t>(Tag::kBatch, capacity)),
      entities_(pool.allocate<std::uint64_t>(Tag::kBatch, capacity)),
      owner_offsets_(pool.allocate<std::uint32_t>(Tag::kBatch, manifest.part_count() + 1)),
      segment_offsets_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity + 1)),
      positions_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity)),
      table_rows_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity)),
      distinct_of_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity)) {
  if (capacity > kPositionMask || manifest.entity_count > (std::uint64_t{1} << (64 - kPositionBits)))
    fail(ExitStatus::kUsage,
         "a part would touch {} rows in one step, of {} entities; lower train.batch_size or negatives.count, or use "
         "more parts",
         capacity, manifest.entity_count);
}

void RowRequests::build(std::span<const std::uint64_t> occurrences) {
  TESSERA_ASSERT(occurrences.size() <= keys_.size(), "more occurrences than planned");
  occurrences_ = occurrences.size();
  for (std::size_t i = 0; i < occurrences_; ++i) keys_[i] = (occurrences[i] << kPositionBits) | i;
  const auto id_bits = static_cast<unsigned>(std::bit_width(manifest_.entity_count - 1));
  radix_sort(keys_.span().first(occurrences_), scratch_.span(), kPositionBits, kPositionBits + std::max(1U, id_bits));
  find_segments();
  find_owners();
  const std::uint64_t own_first = manifest_.offsets[part_.index()];
  const std::uint64_t own_end = manifest_.offsets[part_.index() + 1];
  const std::uint32_t own_begin = owner_offsets_[part_.index()];
  const std::uint32_t own_count = count(part_);
  for (std::uint32_t u = 0; u < distinct_; ++u) {
    const std::uint64_t entity = entities_[u];
    const bool own = entity >= own_first && entity < own_end;
    const std::uint64_t halo = own_end - own_first + u - (u < own_begin ? 0 : own_count);
    const auto row = static_cast<std::uint32_t>(own ? entity - own_first : halo);
    for (std::uint32_t k = segment_offsets_[u]; k < segment_offsets_[u + 1]; ++k) {
      table_rows_[positions_[k]] = row;
      distinct_of_[positions_[k]] = u;
    }
  }
}

std::uint64_t RowRequests::halo_row(PartId q) const {
  const std::uint32_t skipped = q > part_ ? count(part_) : 0;
  return manifest_.rows(part_) + owner_offsets_[q.index()] - skipped;
}

void RowRequests::find_segments() {
  distinct_ = 0;
  for (std::size_t i = 0; i < occurrences_; ++i) {
    const std::uint64_t entity = keys_[i] >> kPositionBits;
    if (i == 0 || entity != entities_[distinct_ - 1]) {
      segment_offsets_[distinct_] = static_cast<std::uint32_t>(i);
      entities_[distinct_++] = entity;
    }
    positions_[i] = static_cast<std::uint32_t>(keys_[i] & kPositionMask);
  }
  segment_offsets_[distinct_] = static_cast<std::uint32_t>(occurrences_);
}

void RowRequests::find_owners() {
  std::uint32_t u = 0;
  for (std::uint32_t q = 0; q < manifest_.part_count(); ++q) {
    owner_offsets_[q] = u;
    while (u < distinct_ && entities_[u] < manifest_.offsets[q + 1]) ++u;
  }
  owner_offsets_[manifest_.part_count()] = u;
}

}  // namespace tessera::exchange
