// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/query_order.hpp"
#include "graph/shard.hpp"
#include "graph/split.hpp"

#include <cstdint>
#include <span>

namespace tessera::evaluate::detail {

/// A place in a list that stands for no entity: nobody owns it, so that it is never compared.
inline constexpr std::uint64_t kNobody = ~std::uint64_t{0};

/// Lists of entities that queries are compared with one by one. Asked only for queries of this rank.
class EntityLists {
 public:
  virtual ~EntityLists() = default;
  /// True when queries of one (source, relation) have lists of their own.
  [[nodiscard]] virtual bool by_target() const = 0;
  [[nodiscard]] virtual std::uint64_t size(const QueryOrder::OwnQuery& query) const = 0;
  /// Global ids at first .. end-1 of the list of `query`, or kNobody.
  virtual void copy(const QueryOrder::OwnQuery& query, std::uint64_t first, std::uint64_t end,
                    std::uint64_t* out) const = 0;
};

/// The known answers of (source, relation): the lists of some splits, one after the other. An answer that an earlier
/// split has too is kNobody.
class KnownAnswers final : public EntityLists {
 public:
  KnownAnswers(const graph::Shard& shard, std::span<const graph::Split> splits) : shard_(shard), splits_(splits) {}
  [[nodiscard]] bool by_target() const override { return false; }
  [[nodiscard]] std::uint64_t size(const QueryOrder::OwnQuery& query) const override;
  void copy(const QueryOrder::OwnQuery& query, std::uint64_t first, std::uint64_t end,
            std::uint64_t* out) const override;
  [[nodiscard]] bool contains(const QueryOrder::OwnQuery& query, std::uint64_t entity) const;

 private:
  [[nodiscard]] std::span<const std::uint64_t> list(graph::Split split, const QueryOrder::OwnQuery& query) const;
  [[nodiscard]] bool is_in_first(std::size_t splits, const QueryOrder::OwnQuery& query, std::uint64_t entity) const;

  const graph::Shard& shard_;
  std::span<const graph::Split> splits_;
};

}  // namespace tessera::evaluate::detail
