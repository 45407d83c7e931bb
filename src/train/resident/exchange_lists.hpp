// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "exchange/part_tree.hpp"
#include "exchange/query_exchange.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"
#include "train/queries_step.hpp"
#include "train/resident/list_ring.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::train {

/// Rows that are added to others: one node of the tree over parts.
template <kernels::Space kSpace>
struct NodeAdds {
  typename ListRing<kSpace>::Indices from;
  typename ListRing<kSpace>::Indices to;
};

/// What DirectExchange knows of a step before anything is computed. Gradients of relations begin as leaves, the
/// distinct relations of each own part, and become rows: the distinct relations of each subtree that a rank owns.
template <kernels::Space kSpace>
struct ExchangeLists {
  using Indices = typename ListRing<kSpace>::Indices;
  std::vector<std::size_t> first_query;     ///< by rank, and the end
  std::vector<std::size_t> first_score;     ///< by rank, and the end: into score_order
  Indices score_order;                      ///< all targets by the rank that has their rows; with several ranks
  std::vector<NodeAdds<kSpace>> leaf_adds;  ///< sums over own subtrees, in place among the leaves
  Indices leaf_slots;                       ///< where these sums end, own subtrees in order
  std::vector<std::size_t> first_row;       ///< by rank, and the end
  std::vector<NodeAdds<kSpace>> row_adds;   ///< the rest of the tree, in place among the rows of all ranks
  Indices sum_slots;                        ///< where the sums end; with several ranks
  Indices sum_ids;                          ///< their relations
};

/// Makes the lists of a step: all ranks alike, from the targets that all of them know.
template <kernels::Space kSpace>
class ExchangeDraw {
 public:
  ExchangeDraw(const graph::Shard& shard, const QueriesStep::Capacity& capacity, bool sums_relations,
               memory::Pool& pool);
  /// Most numbers that put() puts.
  static std::uint64_t words(const QueriesStep::Capacity& capacity);

  /// Of a step that was drawn.
  struct Drawn {
    const exchange::QueryExchange& exchange;
    std::span<const std::uint32_t> first_target;                     ///< by query
    std::span<const std::span<const std::uint32_t>> part_relations;  ///< distinct ones of each own part
  };
  void put(const Drawn& drawn, ListRing<kSpace>& ring, ExchangeLists<kSpace>& lists);

 private:
  struct Slot {
    std::uint32_t id;
    std::uint32_t slot;
  };
  struct Slots {
    std::size_t first;
    std::size_t end;
  };
  void put_scores(const exchange::QueryExchange& exchange, ListRing<kSpace>& ring, ExchangeLists<kSpace>& lists);
  void put_leaves(const Drawn& drawn, ListRing<kSpace>& ring, ExchangeLists<kSpace>& lists);
  void put_rows(const Drawn& drawn, ListRing<kSpace>& ring, ExchangeLists<kSpace>& lists);
  std::span<const std::uint32_t> relations_of(exchange::PartRange subtree, const Drawn& drawn);
  Slots add_leaf(std::span<const std::uint32_t> ids, std::size_t first_slot);
  Slots merge(Slots left, Slots right, ListRing<kSpace>& ring, std::vector<NodeAdds<kSpace>>& adds);

  const graph::Shard& shard_;
  std::size_t ranks_;
  bool sums_relations_;
  exchange::RankSubtrees subtrees_;
  std::vector<exchange::PartRange> own_parts_;
  exchange::Groups groups_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> starts_;  // of parts or subtrees
  std::vector<std::uint32_t> leaf_slots_;
  std::vector<std::uint32_t> scratch_[2];
};

extern template class ExchangeDraw<kernels::Space::kHost>;
extern template class ExchangeDraw<kernels::Space::kDevice>;

}  // namespace tessera::train
