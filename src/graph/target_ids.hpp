// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "packing/elias_fano.hpp"

#include <cstdint>
#include <span>

namespace tessera::graph {

/// The entities that may be targets in one part, numbered from 0 in the order of their global ids: all rows of the
/// part, and the targets of its queries that live elsewhere. These numbers are small, so that they pack well.
class TargetIds {
 public:
  TargetIds() = default;
  /// `elsewhere`: ascending global ids, none of them of the part.
  TargetIds(EntityId first_entity, std::uint32_t rows, packing::EliasFanoView elsewhere)
      : first_entity_(first_entity.value()),
        rows_(rows),
        below_(elsewhere.lower_bound(first_entity_)),
        elsewhere_(elsewhere) {}

  [[nodiscard]] std::uint64_t size() const { return rows_ + elsewhere_.size(); }
  /// Global id of a number below size(). O(1).
  [[nodiscard]] std::uint64_t entity(std::uint64_t number) const {
    const std::uint64_t row = number - below_;  // wraps around below the rows
    if (row < rows_) return first_entity_ + row;
    return elsewhere_[number < below_ ? number : number - rows_];
  }
  /// out[k] = entity(numbers[k]): several times as fast as one by one.
  void entities(std::span<const std::uint32_t> numbers, std::uint64_t* out) const;
  /// The same for numbers that ascend: faster.
  void entities_of_list(std::span<const std::uint32_t> numbers, std::uint64_t* out) const;
  /// Whether no entity elsewhere is a row of the part.
  [[nodiscard]] bool is_sound() const {
    return below_ == elsewhere_.size() || elsewhere_[below_] >= first_entity_ + rows_;
  }

 private:
  std::uint64_t first_entity_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t below_ = 0;  // how many of elsewhere_ come before the rows
  packing::EliasFanoView elsewhere_;
};

}  // namespace tessera::graph
