// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "search/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace tessera::search {

/// A model without rows: each rank has all of it, and computes the scores of all entities for a query by itself.
class EntityScores {
 public:
  /// The scores of a query, by global id; they are gone after the call. Threads call it at the same time.
  using Consume = std::function<void(std::size_t query, std::span<const float> scores)>;
  virtual ~EntityScores() = default;
  /// Calls `consume` once for each query, in any order. Not collective. The scores of a query depend on nothing but the
  /// query. Throws Error(kBadData) for scores that are not finite.
  virtual void score(std::span<const Query> queries, const Consume& consume) = 0;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::uint64_t dim() const = 0;
  /// Training triples that have the entity, at either end.
  [[nodiscard]] virtual std::uint32_t train_degree(EntityId entity) const = 0;
};

}  // namespace tessera::search
