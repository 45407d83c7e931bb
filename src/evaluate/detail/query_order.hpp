// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/split.hpp"
#include "memory/pool.hpp"
#include "search/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tessera::evaluate::detail {

/// A query whose source this rank owns, and the answer that is ranked.
struct OwnQuery {
  search::Query query;
  EntityId target;
};

/// The queries that are ranked, in the order of the results. Those of a split: by part, then as the part has them; who
/// owns a part does not change the order. Those of a list of triples: by rank, then as the list has them.
class QueryOrder {
 public:
  /// Collective. `max_triples` 0 takes all; else the triples with the smallest hashes, both queries of each.
  QueryOrder(const search::Ranks& setup, graph::Split split, std::uint64_t max_triples);
  /// Collective. Both queries of each triple of a list, in its order, tail first, by the rank that owns the source.
  QueryOrder(const search::Ranks& setup, std::span<const Triple> triples);

  /// Queries of all ranks.
  [[nodiscard]] std::uint64_t size() const { return rank_offsets_.back(); }
  /// The queries of `rank` are rank_offset(rank) .. rank_offset(rank + 1) - 1.
  [[nodiscard]] std::uint64_t rank_offset(std::size_t rank) const { return rank_offsets_[rank]; }

  /// The i-th query of this rank. O(log).
  [[nodiscard]] OwnQuery own(std::uint64_t i) const;

 private:
  struct Place {
    std::size_t part;
    std::uint64_t position;
  };
  void select(std::uint64_t max_triples);
  [[nodiscard]] std::uint64_t threshold(std::uint64_t max_triples) const;
  [[nodiscard]] Place place(std::uint64_t i) const;
  [[nodiscard]] OwnQuery at(Place place) const;
  template <class Visit>
  void for_each_own(const Visit& visit) const;

  const search::Ranks& setup_;
  graph::Split split_ = graph::Split::kTest;
  std::vector<std::uint64_t> part_offsets_;      // [owned parts + 1] into the queries of this rank, all of the split
  std::optional<std::vector<OwnQuery>> listed_;  // of a list
  bool is_sample_ = false;
  memory::Buffer<std::uint64_t> selected_;   // when a sample: which of them
  std::vector<std::uint64_t> rank_offsets_;  // [ranks + 1]
};

}  // namespace tessera::evaluate::detail
