// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

namespace tessera::graph {

/// The queries of one part in one split: a view, ordered by (relation, source, target). Being ordered, it is its own
/// filter index: the known targets of (source, relation) are one range.
class QuerySet {
 public:
  QuerySet() = default;
  /// `relation_offsets` [2R + 1]: queries of relation r are relation_offsets[r] .. relation_offsets[r + 1] - 1.
  QuerySet(std::span<const std::uint64_t> relation_offsets, std::span<const std::uint32_t> sources,
           std::span<const std::uint64_t> targets)
      : relation_offsets_(relation_offsets), sources_(sources), targets_(targets) {}

  [[nodiscard]] std::uint64_t size() const { return sources_.size(); }
  [[nodiscard]] RelationId relation(std::uint64_t i) const {
    const auto next = std::upper_bound(relation_offsets_.begin(), relation_offsets_.end(), i);
    return RelationId(static_cast<std::uint32_t>(next - relation_offsets_.begin() - 1));
  }
  [[nodiscard]] LocalRow source(std::uint64_t i) const { return LocalRow(sources_[i]); }
  [[nodiscard]] EntityId target(std::uint64_t i) const { return EntityId(targets_[i]); }
  [[nodiscard]] Query query(std::uint64_t i) const { return {source(i), relation(i), target(i)}; }

  /// Sorted global ids of the targets known for (source, relation) in this split. O(log size).
  [[nodiscard]] std::span<const std::uint64_t> known_targets(LocalRow source, RelationId relation) const {
    if (relation_offsets_.empty()) return {};
    const auto first = sources_.begin() + static_cast<std::ptrdiff_t>(relation_offsets_[relation.index()]);
    const auto last = sources_.begin() + static_cast<std::ptrdiff_t>(relation_offsets_[relation.index() + 1]);
    const auto [low, high] = std::equal_range(first, last, source.value());
    return targets_.subspan(static_cast<std::size_t>(low - sources_.begin()), static_cast<std::size_t>(high - low));
  }

  [[nodiscard]] std::span<const std::uint64_t> relation_offsets() const { return relation_offsets_; }
  [[nodiscard]] std::span<const std::uint32_t> sources() const { return sources_; }
  [[nodiscard]] std::span<const std::uint64_t> targets() const { return targets_; }

 private:
  std::span<const std::uint64_t> relation_offsets_;
  std::span<const std::uint32_t> sources_;
  std::span<const std::uint64_t> targets_;
};

}  // namespace tessera::graph
