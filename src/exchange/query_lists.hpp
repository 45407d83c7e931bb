// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "exchange/part_tree.hpp"
#include "exchange/target_exchange.hpp"
#include "execution/list_ring.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// Rows of a matrix that are added to other rows of the matrix, at one node of the tree over parts.
template <execution::Space kSpace>
struct NodeAdds {
  typename execution::ListWriter<kSpace>::Indices from;
  typename execution::ListWriter<kSpace>::Indices to;
};

/// What QueryExchange reads of a step.
template <execution::Space kSpace>
struct QueryExchangeLists {
  using Indices = typename execution::ListWriter<kSpace>::Indices;
  std::uint64_t queries = 0;                ///< of the step
  std::uint64_t targets = 0;                ///< of the step
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

/// Makes these lists on the host.
template <execution::Space kSpace>
class QueryExchangeDraw {
 public:
  using Writer = execution::ListWriter<kSpace>;

  /// `sums_relations`: relation gradients are sparse; else those of all relations are summed up.
  QueryExchangeDraw(const graph::Shard& shard, const QuerySizes& sizes, bool sums_relations, memory::Pool& pool);
  /// Most numbers that put() puts.
  static std::uint64_t words(const graph::Shard& shard, const QuerySizes& sizes);

  /// Of a step whose targets are gathered.
  struct Drawn {
    const TargetExchange& exchange;
    std::span<const std::uint32_t> first_target;                     ///< by query
    std::span<const std::span<const std::uint32_t>> part_relations;  ///< distinct ones of each owned part
  };
  void put(const Drawn& drawn, Writer& writer, QueryExchangeLists<kSpace>& lists);

 private:
  struct Slot {
    std::uint32_t id;
    std::uint32_t slot;
  };
  struct Slots {
    std::size_t first;
    std::size_t end;
  };
  void put_scores(const TargetExchange& exchange, Writer& writer, QueryExchangeLists<kSpace>& lists);
  void put_leaves(const Drawn& drawn, Writer& writer, QueryExchangeLists<kSpace>& lists);
  void put_rows(const Drawn& drawn, Writer& writer, QueryExchangeLists<kSpace>& lists);
  std::span<const std::uint32_t> relations_of(PartRange subtree, const Drawn& drawn);
  Slots add_leaf(std::span<const std::uint32_t> ids, std::size_t first_slot);
  Slots merge(Slots left, Slots right, Writer& writer, std::vector<NodeAdds<kSpace>>& adds);

  const graph::Shard& shard_;
  std::size_t ranks_;
  bool sums_relations_;
  RankSubtrees subtrees_;
  std::vector<PartRange> own_parts_;
  Groups groups_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> starts_;  // of parts or subtrees
  std::vector<std::uint32_t> leaf_slots_;
  std::vector<std::uint32_t> scratch_[2];
};

extern template class QueryExchangeDraw<execution::Space::kHost>;
extern template class QueryExchangeDraw<execution::Space::kDevice>;

}  // namespace tessera::exchange
