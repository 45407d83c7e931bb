// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/queries/target_exchange.hpp"
#include "exchange/tree/relation_sum.hpp"
#include "execution/list_ring.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tessera::exchange {

/// The lists of a step that QueryExchange reads.
template <execution::Space kSpace>
struct QueryExchangeLists {
  using Indices = typename execution::ListWriter<kSpace>::Indices;
  std::uint64_t queries = 0;             ///< queries of the step
  std::uint64_t targets = 0;             ///< targets of the step
  std::vector<std::size_t> first_query;  ///< by rank, and the end
  std::vector<std::size_t> first_score;  ///< by rank, and the end: into score_order
  Indices score_order;                   ///< all targets by the rank that has their rows; with several ranks
  RelationSumLists<kSpace> relations;    ///< unless relation prediction needs those of all relations
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

  /// A step whose targets are gathered.
  struct Drawn {
    const TargetExchange& exchange;
    std::span<const std::uint32_t> first_target;                     ///< by query
    std::span<const std::span<const std::uint32_t>> part_relations;  ///< distinct ones of each owned part
  };
  void put(const Drawn& drawn, Writer& writer, QueryExchangeLists<kSpace>& lists);

 private:
  void put_scores(const TargetExchange& exchange, Writer& writer, QueryExchangeLists<kSpace>& lists);
  void put_relations(const Drawn& drawn, Writer& writer, RelationSumLists<kSpace>& lists);

  const graph::Shard& shard_;
  std::size_t ranks_;
  std::optional<RelationSumDraw<kSpace>> relation_sum_;
  std::vector<std::size_t> starts_;  // by rank
  std::vector<std::uint32_t> scratch_[2];
};

extern template class QueryExchangeDraw<execution::Space::kHost>;
extern template class QueryExchangeDraw<execution::Space::kDevice>;

}  // namespace tessera::exchange
