// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// One target of a query.
struct QueryTarget {
  std::uint32_t entity;    ///< global id: a graph has at most 2^32 entities
  float weight;            ///< 1 where the graph has no weights
  std::uint32_t query;     ///< index among the queries of the step
  std::uint32_t relation;  ///< directed
};

/// Most queries and targets that each part has in a step.
struct QuerySizes {
  std::vector<std::uint64_t> queries;  ///< by part
  std::vector<std::uint64_t> targets;  ///< by part
};

/// Tells every rank the targets of all queries of a step, parts in order: what is known before a query vector is made.
/// All sizes and index lists of the step follow from the targets.
class TargetExchange {
 public:
  /// No step has failed.
  static constexpr std::uint64_t kNone = UINT64_MAX;

  /// Host memory from the pool, for the largest step.
  TargetExchange(comm::Communicator& comm, const graph::Shard& shard, const QuerySizes& sizes, memory::Pool& pool);

  /// An owned part's queries of a step; target.query counts within the part.
  struct PartQueries {
    std::uint64_t queries = 0;
    std::span<const QueryTarget> targets;
  };
  /// Collective. `own` [owned parts]. `failed`: the first step that this rank knows to have failed, or kNone; returns
  /// the first that any rank knows. Two all-gathers: 24 bytes per part, 16 bytes per target.
  std::uint64_t gather(std::span<const PartQueries> own, std::uint64_t failed);

  [[nodiscard]] std::span<const QueryTarget> targets() const { return targets_.span().first(target_begin_.back()); }
  /// Queries of part p are query_begin(p) .. query_begin(p + 1) - 1 of the step.
  [[nodiscard]] std::uint64_t query_begin(std::uint32_t part) const { return query_begin_[part]; }
  [[nodiscard]] std::span<const std::uint64_t> query_begin() const { return query_begin_; }
  [[nodiscard]] std::uint64_t query_count() const { return query_begin_.back(); }

 private:
  struct Count {  // of a part
    std::uint64_t queries;
    std::uint64_t targets;
    std::uint64_t failed;
  };
  std::uint64_t gather_counts(std::span<const PartQueries> own, std::uint64_t failed);
  /// Calls bytes(first part, end part) for every rank.
  template <class Bytes>
  void count_bytes(const Bytes& bytes);

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  std::vector<std::uint64_t> query_begin_;
  std::vector<std::uint64_t> target_begin_;
  std::vector<Count> counts_;         // by part
  std::vector<Count> own_counts_;     // by owned part
  std::vector<std::uint64_t> bytes_;  // by rank, of a collective
  memory::Buffer<QueryTarget> own_targets_;
  memory::Buffer<QueryTarget> targets_;
};

}  // namespace tessera::exchange
