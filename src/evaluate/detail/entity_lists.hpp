// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/query_order.hpp"
#include "search/known_answers.hpp"

#include <cstdint>
#include <span>

namespace tessera::evaluate::detail {

/// An empty place in a list. No rank owns it, so no rank compares it.
inline constexpr std::uint64_t kNobody = ~std::uint64_t{0};

/// Lists of entities that queries are compared with one by one. Asked only for queries of this rank.
class EntityLists {
 public:
  virtual ~EntityLists() = default;
  /// True when queries of one (source, relation) have lists of their own.
  [[nodiscard]] virtual bool by_target() const = 0;
  [[nodiscard]] virtual std::uint64_t size(const OwnQuery& query) const = 0;
  /// Global ids from the `first` of the list of `query`, or kNobody.
  virtual void copy(const OwnQuery& query, std::uint64_t first, std::span<std::uint64_t> out) const = 0;
};

/// The known answers of (source, relation). An answer that an earlier split has too is kNobody.
class KnownLists final : public EntityLists {
 public:
  explicit KnownLists(const search::KnownAnswers& known) : known_(known) {}
  [[nodiscard]] bool by_target() const override { return false; }
  [[nodiscard]] std::uint64_t size(const OwnQuery& query) const override { return known_.size(query.query); }
  void copy(const OwnQuery& query, std::uint64_t first, std::span<std::uint64_t> out) const override {
    known_.copy(query.query, first, out, kNobody);
  }

 private:
  const search::KnownAnswers& known_;
};

}  // namespace tessera::evaluate::detail
