// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/transport.hpp"
#include "exchange/groups.hpp"
#include "exchange/tree/part_tree.hpp"
#include "execution/list_ring.hpp"
#include "execution/step_memory.hpp"
#include "graph/shard.hpp"

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

/// The lists of a step that RelationSum reads.
template <execution::Space kSpace>
struct RelationSumLists {
  using Indices = typename execution::ListWriter<kSpace>::Indices;
  std::vector<NodeAdds<kSpace>> leaf_adds;  ///< sums over own subtrees, in place among the leaves
  Indices leaf_slots;                       ///< where these sums end, own subtrees in order
  std::vector<std::size_t> first_row;       ///< by rank, and the end
  std::vector<NodeAdds<kSpace>> row_adds;   ///< the rest of the tree, in place among the rows of all ranks
  Indices sum_slots;                        ///< where the sums end; with several ranks
  Indices sum_ids;                          ///< their relations
};

/// Makes these lists on the host.
template <execution::Space kSpace>
class RelationSumDraw {
 public:
  using Writer = execution::ListWriter<kSpace>;

  /// `queries`: most of each part in a step.
  RelationSumDraw(const graph::Shard& shard, const std::vector<std::uint64_t>& queries, memory::Pool& pool);
  /// Most numbers that put() puts.
  static std::uint64_t words(const graph::Shard& shard, const std::vector<std::uint64_t>& queries);

  /// The relations of a step.
  struct Drawn {
    std::span<const std::uint32_t> of_queries;   ///< relations of the queries of all parts, in order
    std::span<const std::uint64_t> query_begin;  ///< by part, and the end
    std::span<const std::span<const std::uint32_t>> part_relations;  ///< distinct ones of each owned part
  };
  void put(const Drawn& drawn, Writer& writer, RelationSumLists<kSpace>& lists);

 private:
  struct Slot {
    std::uint32_t id;
    std::uint32_t slot;
  };
  struct Slots {
    std::size_t first;
    std::size_t end;
  };
  void put_leaves(const Drawn& drawn, Writer& writer, RelationSumLists<kSpace>& lists);
  void put_rows(const Drawn& drawn, Writer& writer, RelationSumLists<kSpace>& lists);
  std::span<const std::uint32_t> relations_of(PartRange subtree, const Drawn& drawn);
  Slots add_leaf(std::span<const std::uint32_t> ids, std::size_t first_slot);
  Slots merge(Slots left, Slots right, Writer& writer, std::vector<NodeAdds<kSpace>>& adds);

  const graph::Shard& shard_;
  std::size_t ranks_;
  RankSubtrees subtrees_;
  std::vector<PartRange> own_parts_;
  Groups groups_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> starts_;  // first leaf of each part, or first row of each subtree
  std::vector<std::uint32_t> leaf_slots_;
  std::vector<std::uint32_t> scratch_[2];
};

/// The most that RelationSum adds up.
struct RelationSumSizes {
  std::vector<std::uint64_t> queries;  ///< queries of each part
  std::size_t relations = 0;           ///< directed
  std::size_t gradient_dim = 0;
};

/// Sums gradients of relations over the tree over parts: a rank adds up its own subtrees and sends only these sums, and
/// every rank adds up the rest.
template <execution::Space kSpace>
class RelationSum {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using Indices = kernels::Vector<kSpace, const std::uint32_t>;
  using Lists = RelationSumLists<kSpace>;
  using Transport = comm::RankTransport<kSpace>;

  /// `transport` is null with one rank. What is named outlives this.
  RelationSum(execution::Executor<kSpace>& executor, execution::StepMemory<kSpace>& memory, const graph::Shard& shard,
              Transport* transport, const RelationSumSizes& sizes);
  /// The most that a rank sends and receives.
  static std::uint64_t largest_bytes(const graph::Shard& shard, const RelationSumSizes& sizes);

  struct Sum {
    Matrix rows;
    Indices ids;
  };
  /// Collective. `leaves` are the gradients of the owned parts' distinct relations, one part after the other; changed.
  Sum sum(const Lists& lists, Matrix leaves);

 private:
  void add_rows(Matrix table, const NodeAdds<kSpace>& adds) const;
  void gather(Matrix table, Indices rows, Matrix out) const;

  execution::Executor<kSpace>& executor_;
  Transport* transport_;
  std::size_t ranks_;
  std::size_t self_;
  Matrix rows_;  // [distinct relations of all subtrees, gradient dim]
  Matrix sums_;  // [relations, gradient dim]; with several ranks
  std::vector<typename Transport::Send> sends_;
  std::vector<typename Transport::Receive> receives_;
};

extern template class RelationSumDraw<execution::Space::kHost>;
extern template class RelationSumDraw<execution::Space::kDevice>;
extern template class RelationSum<execution::Space::kHost>;
extern template class RelationSum<execution::Space::kDevice>;

}  // namespace tessera::exchange
