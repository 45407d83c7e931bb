// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/transport.hpp"
#include "exchange/queries/query_lists.hpp"
#include "exchange/tree/part_tree.hpp"
#include "execution/step_memory.hpp"
#include "graph/shard.hpp"
#include "kernels/statistics.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tessera::exchange {

/// The most that a step exchanges.
struct QueryExchangeSizes {
  QuerySizes by_part;
  std::size_t width = 0;            ///< floats that travel with a query, and come back
  std::size_t relations = 0;        ///< directed
  std::size_t gradient_dim = 0;     ///< dim of the gradient of a relation
  bool predicts_relations = false;  ///< every part has gradients of all relations
  bool is_binary = false;           ///< statistics are sums, not those of a softmax
  [[nodiscard]] RelationSumSizes relation_sum() const { return {by_part.queries, relations, gradient_dim}; }
};

/// The most that a rank sends and receives at once.
std::uint64_t largest_exchange_bytes(const graph::Shard& shard, const QueryExchangeSizes& sizes);

/// Moves the data of a step when queries are moved. Query vectors, statistics and target scores go to every rank.
/// Gradients of queries return to the rank of the query. Gradients of relations are added up. All data stays in one
/// memory space. Sums follow the tree over parts: a rank adds up its own subtrees, and every rank adds up the rest.
/// Sizes and lists follow from the targets, which all ranks know before a step.
template <execution::Space kSpace>
class QueryExchange {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Lists = QueryExchangeLists<kSpace>;
  using Transport = comm::RankTransport<kSpace>;

  /// `transport` is null with one rank. What is named outlives this.
  struct Setup {
    execution::Executor<kSpace>& executor;
    execution::StepMemory<kSpace>& memory;
    const graph::Shard& shard;
    Transport* transport;
  };
  QueryExchange(const Setup& setup, const QueryExchangeSizes& sizes);

  /// Describes the transport in words.
  [[nodiscard]] const char* description() const;
  /// The subtrees of parts that this rank sums up by itself.
  [[nodiscard]] std::span<const PartRange> own_subtrees() const {
    return std::span(subtrees_.all)
        .subspan(subtrees_.first[self_], subtrees_.first[self_ + 1] - subtrees_.first[self_]);
  }

  /// From own queries in their places to those of all ranks [B, width].
  void gather_queries(const Lists& lists, Matrix queries);
  /// The memory for the statistics of own subtree k [B].
  [[nodiscard]] Vector<kernels::Statistic> statistics(const Lists& lists, std::size_t k);
  /// The statistics of all parts, merged in the tree [B]. Of `target_scores` [all targets] own ones are there, and all
  /// afterwards.
  Vector<const kernels::Statistic> merge_statistics(const Lists& lists, Vector<float> target_scores);
  /// The memory for the sums of query gradients over own subtree k [B, width].
  [[nodiscard]] Matrix subtree_gradients(const Lists& lists, std::size_t k) const {
    return gradients_.block(k * lists.queries, lists.queries);
  }
  /// The gradients of own queries, summed over all parts [own queries, width], in order; valid until the next step.
  Matrix return_gradients(const Lists& lists);

  using RelationSum = typename exchange::RelationSum<kSpace>::Sum;
  /// The sum of relation gradients over all parts. `own` is of own parts: distinct relations one part after the other,
  /// or with relation prediction all relations of each part. It may be changed.
  RelationSum sum_relations(const Lists& lists, Matrix own) {
    return relation_sum_ ? relation_sum_->sum(lists.relations, own) : sum_dense(own);
  }

 private:
  template <class T>
  using Buffer = typename execution::Executor<kSpace>::template Buffer<T>;

  void allocate(const QueryExchangeSizes& sizes);
  RelationSum sum_dense(Matrix own);
  [[nodiscard]] Vector<kernels::Statistic> subtree_statistics(const Lists& lists, std::size_t subtree);
  Vector<const kernels::Statistic> merge(const Lists& lists);
  void share_statistics(const Lists& lists, Vector<float> target_scores);
  /// Subtrees of other ranks before this one.
  [[nodiscard]] std::size_t among_received(std::size_t subtree) const;
  [[nodiscard]] bool is_own(std::size_t subtree) const {
    return subtree >= subtrees_.first[self_] && subtree < subtrees_.first[self_ + 1];
  }
  /// Adds up [rows, cols] matrices over the tree, in place: the sum is where the first of them was.
  template <class Leaf>
  Matrix add_up(PartRange node, std::span<const PartRange> known, const Leaf& leaf) const;

  void send(Vector<const std::byte> block, std::size_t rank);
  void receive(Vector<std::byte> block, std::size_t rank);
  /// Own block to all others, and theirs to here: block(rank) is bytes, as many on every rank.
  template <class Block>
  void all_gather(const Block& block);
  void flush();

  execution::Executor<kSpace>& executor_;
  execution::StepMemory<kSpace>& memory_;
  const graph::Shard& shard_;
  Transport* transport_;
  bool is_binary_;
  std::size_t width_;
  std::size_t relations_;
  std::size_t ranks_;
  std::size_t self_;
  RankSubtrees subtrees_;
  std::vector<PartRange> own_parts_;
  Matrix gradients_;                       // [own subtrees * B, width]
  Buffer<kernels::Statistic> statistics_;  // [all subtrees, B]
  Buffer<float> packed_scores_;            // with several ranks, as all that follows: all targets by rank
  Matrix received_;                        // [subtrees of others * own queries, width]
  std::optional<exchange::RelationSum<kSpace>> relation_sum_;  // without prediction
  Matrix dense_rows_;  // with prediction: [subtrees of others * relations, gradient dim]
  std::vector<typename Transport::Send> sends_;
  std::vector<typename Transport::Receive> receives_;
};

extern template class QueryExchange<execution::Space::kHost>;
extern template class QueryExchange<execution::Space::kDevice>;

}  // namespace tessera::exchange
