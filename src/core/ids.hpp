// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>

namespace tessera {

/// An integer that only mixes with its own kind: mixing up index spaces is a compile error.
template <class Tag, class Rep>
class StrongId {
 public:
  using value_type = Rep;
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const { return value_; }
  /// The id as an array index.
  [[nodiscard]] constexpr std::size_t index() const { return static_cast<std::size_t>(value_); }
  constexpr auto operator<=>(const StrongId&) const = default;
  constexpr StrongId& operator++() {
    ++value_;
    return *this;
  }

 private:
  Rep value_ = 0;
};

using EntityId = StrongId<struct EntityTag, std::uint64_t>;      ///< global: 0 .. N-1, contiguous by part
using RelationId = StrongId<struct RelationTag, std::uint32_t>;  ///< 0 .. R-1, or R .. 2R-1 for inverses
using LocalRow = StrongId<struct LocalRowTag, std::uint32_t>;    ///< row inside one part
using PartId = StrongId<struct PartTag, std::uint32_t>;          ///< 0 .. P-1
using Rank = StrongId<struct RankTag, std::int32_t>;             ///< MPI rank

/// A fact in global ids, as imported.
struct Triple {
  EntityId head;
  RelationId relation;
  EntityId tail;
  auto operator<=>(const Triple&) const = default;
};

/// `(source, relation, ?)` with its answer; the source is a row of the part that owns the query.
struct Query {
  LocalRow source;
  RelationId relation;  ///< directed: r for (h, r, ?), r + R for (t, r^-1, ?)
  EntityId target;
  auto operator<=>(const Query&) const = default;
};

}  // namespace tessera

template <class Tag, class Rep>
struct std::hash<tessera::StrongId<Tag, Rep>> {
  std::size_t operator()(tessera::StrongId<Tag, Rep> id) const noexcept { return std::hash<Rep>{}(id.value()); }
};
