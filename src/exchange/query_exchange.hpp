// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "exchange/part_tree.hpp"
#include "graph/shard.hpp"
#include "kernels/matrix.hpp"
#include "kernels/statistics.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// One right answer of one query of a step.
struct QueryTarget {
  std::uint64_t entity;    ///< global id
  std::uint32_t query;     ///< index among the queries of the step
  std::uint32_t relation;  ///< directed
};

using kernels::Statistic;

/// Moves query vectors to the candidates and their gradients back (exchange = "queries"):
///
///   gather           every rank gets all queries of the step and their targets
///   merge            statistics over candidates, from the subtrees of parts that each rank owns, to all ranks
///   begin_return     sums of query gradients over each rank's subtrees leave for the rank of the query ...
///   finish_return    ... which adds them in the fixed tree over parts
///
/// Entity rows never move. A step sends, per rank, B (dim + ...) floats to every other rank and about as many back.
class QueryExchange {
 public:
  /// Most queries and targets that each part has in a step.
  struct Capacity {
    std::vector<std::uint64_t> queries;  ///< by part
    std::vector<std::uint64_t> targets;  ///< by part
  };
  /// With `with_sources` source rows travel beside their query vectors, and gradients of both come back.
  QueryExchange(comm::Communicator& comm, const graph::Shard& shard, std::size_t dim, bool with_sources,
                const Capacity& capacity, memory::Pool& pool);

  /// The own part's queries and targets of a step; target.query counts within the part.
  struct PartQueries {
    kernels::ConstMatrix queries;  ///< [n, dim]
    kernels::ConstMatrix sources;  ///< [n, dim], only with sources
    std::span<const QueryTarget> targets;
  };
  /// Collective. `own` [owned parts].
  void gather(std::span<const PartQueries> own);
  /// Its two halves, both collective: first what is known before any query vector is made (of `queries` only the number
  /// counts), then the vectors.
  void gather_targets(std::span<const PartQueries> own);
  void gather_vectors(std::span<const PartQueries> own);
  [[nodiscard]] kernels::ConstMatrix queries() const;  ///< [B, dim], parts in order
  [[nodiscard]] kernels::ConstMatrix sources() const;  ///< [B, dim], only with sources
  [[nodiscard]] std::span<const QueryTarget> targets() const { return targets_.span().first(target_begin_.back()); }
  /// Queries of part p are query_begin(p) .. query_begin(p + 1) - 1 of queries().
  [[nodiscard]] std::uint64_t query_begin(std::uint32_t part) const { return query_begin_[part]; }
  [[nodiscard]] std::uint64_t query_count() const { return query_begin_.back(); }

  /// The subtrees of parts that this rank sums up by itself.
  [[nodiscard]] std::span<const PartRange> subtrees() const { return own_subtrees(); }

  /// Those of all ranks, ranks in order.
  [[nodiscard]] std::span<const PartRange> all_subtrees() const { return all_subtrees_; }

  /// Where to put the statistics of own subtree k: [B].
  [[nodiscard]] std::span<Statistic> statistics(std::size_t k);
  /// Where to put the scores of targets(); only those of owned entities count.
  [[nodiscard]] std::span<float> target_scores() { return target_scores_.span().first(targets().size()); }
  /// Collective. The statistics of all_subtrees(), one after the other [subtrees, B]; target_scores() are complete
  /// afterwards.
  std::span<const Statistic> gather_statistics();
  using Merge = Statistic (*)(const Statistic&, const Statistic&);
  /// Collective. As gather_statistics(), and merges them in the fixed tree [B].
  std::span<const Statistic> merge(Merge parents);

  /// Where to put the sums of query gradients over own subtree k: [B, dim], with sources [B, 2 dim].
  [[nodiscard]] kernels::Matrix subtree_gradients(std::size_t k);
  void begin_return();
  /// Gradients of the queries of owned part p (index among the owned) over all candidates [n, dim], with sources
  /// [n, 2 dim]; valid until the next call. The first call waits for the transfers.
  kernels::ConstMatrix finish_return(std::size_t own_part);

 private:
  [[nodiscard]] std::span<const PartRange> own_subtrees() const { return subtrees_[self_]; }
  [[nodiscard]] std::uint64_t rank_queries(std::size_t rank) const;
  void gather_counts(std::span<const PartQueries> own);
  void share_target_scores();
  void add_node(PartRange node, std::size_t own_part, std::size_t level, kernels::Matrix out);

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  std::size_t dim_;
  std::size_t width_;  // floats that travel per query
  std::size_t self_;
  std::vector<std::vector<PartRange>> subtrees_;  // by rank
  std::vector<PartRange> all_subtrees_;           // ranks in order
  std::vector<std::size_t> first_subtree_;        // by rank, into all_subtrees_
  std::vector<std::uint64_t> query_begin_;
  std::vector<std::uint64_t> target_begin_;
  std::vector<std::uint64_t> counts_;      // (queries, targets) by part
  std::vector<std::uint64_t> own_counts_;  // of the owned parts
  std::vector<std::uint64_t> bytes_;       // by rank, of a collective
  memory::Buffer<float> own_queries_;
  memory::Buffer<float> queries_;
  memory::Buffer<QueryTarget> own_targets_;
  memory::Buffer<QueryTarget> targets_;
  memory::Buffer<Statistic> own_statistics_;  // [own subtrees, B]
  memory::Buffer<Statistic> statistics_;      // [all subtrees, B]
  memory::Buffer<float> target_scores_;
  memory::Buffer<float> packed_scores_;
  memory::Buffer<float> all_scores_;
  memory::Buffer<float> gradients_;  // [own subtrees, B, width]
  memory::Buffer<float> received_;   // [subtrees of others, own queries, width]
  memory::Buffer<float> returned_;   // one part's queries
  memory::Buffer<float> sums_;       // one part's queries by level of the tree
  std::uint64_t most_queries_ = 0;   // of one owned part
  std::vector<comm::Request> transfers_;
};

}  // namespace tessera::exchange
