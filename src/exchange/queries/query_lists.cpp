// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/queries/query_lists.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::exchange {

using execution::Space;

namespace {

std::uint64_t sum(const std::vector<std::uint64_t>& of_parts) {
  return std::accumulate(of_parts.begin(), of_parts.end(), std::uint64_t{0});
}

}  // namespace

template <Space kSpace>
std::uint64_t QueryExchangeDraw<kSpace>::words(const graph::Shard& shard, const QuerySizes& sizes) {
  return sum(sizes.targets) + RelationSumDraw<kSpace>::words(shard, sizes.queries);
}

template <Space kSpace>
QueryExchangeDraw<kSpace>::QueryExchangeDraw(const graph::Shard& shard, const QuerySizes& sizes, bool sums_relations,
                                             memory::Pool& pool)
    : shard_(shard), ranks_(static_cast<std::size_t>(shard.placement.rank_count())) {
  if (sums_relations) relation_sum_.emplace(shard, sizes.queries, pool);
  starts_.reserve(ranks_ + 1);
  for (auto& scratch : scratch_) scratch.reserve(std::max(sum(sizes.targets), sum(sizes.queries)));
}

template <Space kSpace>
void QueryExchangeDraw<kSpace>::put(const Drawn& drawn, Writer& writer, QueryExchangeLists<kSpace>& lists) {
  lists.queries = drawn.exchange.query_count();
  lists.targets = drawn.exchange.targets().size();
  lists.first_query.resize(ranks_ + 1);
  for (std::size_t r = 0; r <= ranks_; ++r)
    lists.first_query[r] =
        drawn.exchange.query_begin(shard_.placement.first_part(Rank(static_cast<std::int32_t>(r))).value());
  if (ranks_ > 1) put_scores(drawn.exchange, writer, lists);
  if (relation_sum_) put_relations(drawn, writer, lists.relations);
}

// Every query has a target, which has its relation.
template <Space kSpace>
void QueryExchangeDraw<kSpace>::put_relations(const Drawn& drawn, Writer& writer, RelationSumLists<kSpace>& lists) {
  auto& of_queries = scratch_[0];
  of_queries.clear();
  for (std::uint64_t q = 0; q < drawn.exchange.query_count(); ++q)
    of_queries.push_back(drawn.exchange.targets()[drawn.first_target[q]].relation);
  relation_sum_->put({of_queries, drawn.exchange.query_begin(), drawn.part_relations}, writer, lists);
}

template <Space kSpace>
void QueryExchangeDraw<kSpace>::put_scores(const TargetExchange& exchange, Writer& writer,
                                           QueryExchangeLists<kSpace>& lists) {
  const auto targets = exchange.targets();
  auto& owners = scratch_[0];
  auto& order = scratch_[1];
  owners.clear();
  lists.first_score.assign(ranks_ + 1, 0);
  for (const QueryTarget& target : targets) {
    owners.push_back(static_cast<std::uint32_t>(shard_.owner_rank(EntityId(target.entity)).value()));
    ++lists.first_score[owners.back() + 1];
  }
  for (std::size_t r = 0; r < ranks_; ++r) lists.first_score[r + 1] += lists.first_score[r];
  starts_.assign(lists.first_score.begin(), lists.first_score.end());
  order.resize(targets.size());
  for (std::uint32_t e = 0; e < targets.size(); ++e) order[starts_[owners[e]]++] = e;
  lists.score_order = writer.put(order);
}

template class QueryExchangeDraw<Space::kHost>;
template class QueryExchangeDraw<Space::kDevice>;

}  // namespace tessera::exchange
