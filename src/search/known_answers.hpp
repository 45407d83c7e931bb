// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/shard.hpp"
#include "graph/split.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace tessera::search {

/// The answers of queries that are triples of the graph. The owner of a source has those of its queries, as lists. The
/// owner of an answer has the fact, too: (s, r, t) is also a query (t, r^-1, ?) with target s; so nothing need travel.
class KnownAnswers {
 public:
  /// Finds answers in these splits. The arguments outlive this object.
  KnownAnswers(const graph::Shard& shard, std::span<const graph::Split> splits) : shard_(shard), splits_(splits) {}

  /// Answers of a query of this rank: the lists of the splits, one after the other. What several splits have counts as
  /// often.
  [[nodiscard]] std::uint64_t size(const Query& query) const;
  /// Their global ids from the `first`; `no_entity` for one that an earlier split has too.
  void copy(const Query& query, std::uint64_t first, std::span<std::uint64_t> out, std::uint64_t no_entity) const;
  /// The first split that has the answer of a query of this rank.
  [[nodiscard]] std::optional<graph::Split> find(const Query& query, EntityId answer) const {
    return find_in(splits_.size(), query, answer);
  }
  /// Finds an answer that this rank owns, for any query.
  [[nodiscard]] std::optional<graph::Split> find_own(const Query& query, EntityId answer) const;

 private:
  using Place = graph::Shard::Place;
  [[nodiscard]] std::span<const std::uint64_t> list(std::size_t split, Place source, RelationId relation) const {
    return shard_.parts[source.part].queries(splits_[split]).known_targets(source.row, relation);
  }
  [[nodiscard]] std::optional<graph::Split> find_in(std::size_t splits, const Query& query, EntityId answer) const;

  const graph::Shard& shard_;
  std::span<const graph::Split> splits_;
};

}  // namespace tessera::search
