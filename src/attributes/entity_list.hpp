// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/detail/bytes.hpp"
#include "packing/elias_fano.hpp"

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::attributes {

/// Packed, strictly ascending numbers below a bound: Elias-Fano, or a range when they follow one another.
class Ascending {
 public:
  static void encode(std::span<const std::uint64_t> values, detail::Bytes& out);

  Ascending() = default;
  Ascending(Ascending&&) = default;  // it points into itself: no copies
  Ascending& operator=(Ascending&&) = default;
  Ascending(const Ascending&) = delete;
  Ascending& operator=(const Ascending&) = delete;
  ~Ascending() = default;
  /// Reads `count` numbers where they are. Throws Error(kBadData) when they do not ascend or are not below `bound`.
  Ascending(detail::ByteReader& reader, std::uint64_t count, std::uint64_t bound);

  [[nodiscard]] std::uint64_t size() const { return count_; }
  [[nodiscard]] std::uint64_t operator[](std::uint64_t i) const { return is_range_ ? first_ + i : packed_[i]; }
  /// Place of the first number that is not below `value`. O(log size).
  [[nodiscard]] std::uint64_t lower_bound(std::uint64_t value) const;
  [[nodiscard]] bool is_range() const { return is_range_; }
  /// Sets bit (*this)[i] of `rows` for every i whose bit is set in `values`; unless is_range().
  void spread(std::span<const std::uint64_t> values, std::span<std::uint64_t> rows) const {
    packed_.spread(values, rows);
  }
  /// Calls visit(i, number) for all, in order; much faster than one by one.
  template <class Visit>
  void for_each(const Visit& visit) const {
    if (is_range_) {
      for (std::uint64_t i = 0; i < count_; ++i) visit(i, first_ + i);
      return;
    }
    std::uint64_t i = 0;
    for (std::size_t word = 0; word < high_.size(); ++word)
      for (std::uint64_t bits = high_[word]; bits != 0; bits &= bits - 1, ++i) {
        const std::uint64_t upper = 64 * word + static_cast<unsigned>(std::countr_zero(bits)) - i;
        visit(i, upper << low_width_ | packing::load_bits(low_.data(), i * low_width_, low_width_));
      }
  }

 private:
  std::uint64_t count_ = 0;
  bool is_range_ = true;
  std::uint64_t first_ = 0;
  unsigned low_width_ = 0;
  std::span<const std::uint64_t> high_;
  detail::ByteSpan low_;
  std::vector<std::uint32_t> samples_;
  packing::EliasFanoView packed_;
};

/// Values first .. end - 1 of a column.
struct ValueRange {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  [[nodiscard]] bool empty() const { return first == end; }
};

/// Which entities have values in a column, and which ones: values are ordered by entity.
class EntityList {
 public:
  /// `entities` [values] ascend; an entity may be there several times.
  static void encode(std::span<const std::uint64_t> entities, detail::Bytes& out);

  EntityList() = default;
  /// Entities are below `bound`; `values` is how many values there are. Throws Error(kBadData).
  EntityList(detail::ByteReader& reader, std::uint64_t values, std::uint64_t bound);

  [[nodiscard]] std::uint64_t entity_count() const { return entities_.size(); }
  /// The values of an entity. O(log entities).
  [[nodiscard]] ValueRange find(std::uint64_t entity) const;
  /// The i-th entity that has a value, and its values.
  [[nodiscard]] std::uint64_t entity(std::uint64_t i) const { return entities_[i]; }
  [[nodiscard]] ValueRange values(std::uint64_t i) const;
  /// Calls visit(entity, values) for all entities in order.
  template <class Visit>
  void for_each(const Visit& visit) const {
    if (is_single()) {
      entities_.for_each([&](std::uint64_t i, std::uint64_t entity) { visit(entity, ValueRange{i, i + 1}); });
      return;
    }
    entities_.for_each([&](std::uint64_t i, std::uint64_t entity) { visit(entity, values(i)); });
  }
  /// Sets bit e of `rows` for every entity e of which a value has its bit in `values`.
  void select(std::span<const std::uint64_t> values, std::span<std::uint64_t> rows) const;

 private:
  [[nodiscard]] bool is_single() const { return value_count_ == entities_.size(); }

  std::uint64_t value_count_ = 0;
  Ascending entities_;
  Ascending starts_;  // of each entity's values; none when each has one
};

}  // namespace tessera::attributes
