// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/query_lists.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

namespace tessera::exchange {

using execution::Space;

namespace {

std::uint64_t sum(const std::vector<std::uint64_t>& of_parts) {
  return std::accumulate(of_parts.begin(), of_parts.end(), std::uint64_t{0});
}

std::uint64_t own_queries(const graph::Shard& shard, const QuerySizes& sizes) {
  std::uint64_t queries = 0;
  for (const graph::Part& part : shard.parts) queries += sizes.queries[part.id().index()];
  return queries;
}

}  // namespace

template <Space kSpace>
std::uint64_t QueryExchangeDraw<kSpace>::words(const graph::Shard& shard, const QuerySizes& sizes) {
  return sum(sizes.targets) + 3 * own_queries(shard, sizes) + 4 * sum(sizes.queries);
}

template <Space kSpace>
QueryExchangeDraw<kSpace>::QueryExchangeDraw(const graph::Shard& shard, const QuerySizes& sizes, bool sums_relations,
                                             memory::Pool& pool)
    : shard_(shard),
      ranks_(static_cast<std::size_t>(shard.placement.rank_count())),
      sums_relations_(sums_relations),
      subtrees_(exchange::rank_subtrees(shard.placement)),
      groups_(sum(sizes.queries), pool) {
  for (const graph::Part& part : shard.parts) own_parts_.push_back({part.id().value(), part.id().value() + 1});
  const auto levels = static_cast<std::uint64_t>(std::bit_width(shard.placement.part_count()));
  slots_.reserve((own_queries(shard, sizes) + sum(sizes.queries)) * (levels + 1));
  starts_.reserve(std::max(subtrees_.all.size(), own_parts_.size()) + 1);
  leaf_slots_.reserve(own_queries(shard, sizes));
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
  if (!sums_relations_) return;
  slots_.clear();
  put_leaves(drawn, writer, lists);
  put_rows(drawn, writer, lists);
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

// ---- relations: where both sides of a node have one, the right row is added to the left

template <Space kSpace>
void QueryExchangeDraw<kSpace>::put_leaves(const Drawn& drawn, Writer& writer, QueryExchangeLists<kSpace>& lists) {
  starts_.clear();
  std::size_t leaves = 0;
  for (const auto& ids : drawn.part_relations) {
    starts_.push_back(leaves);
    leaves += ids.size();
  }
  lists.leaf_adds.clear();
  lists.leaf_adds.reserve(own_parts_.size());
  leaf_slots_.clear();
  const auto rank = static_cast<std::size_t>(shard_.rank.value());
  for (std::size_t k = subtrees_.first[rank]; k < subtrees_.first[rank + 1]; ++k) {
    const Slots sum = reduce_tree<Slots>(
        subtrees_.all[k], own_parts_, [&](std::size_t p) { return add_leaf(drawn.part_relations[p], starts_[p]); },
        [&](Slots left, Slots right) { return merge(left, right, writer, lists.leaf_adds); });
    for (std::size_t i = sum.first; i < sum.end; ++i) leaf_slots_.push_back(slots_[i].slot);
  }
  lists.leaf_slots = writer.put(leaf_slots_);
}

template <Space kSpace>
void QueryExchangeDraw<kSpace>::put_rows(const Drawn& drawn, Writer& writer, QueryExchangeLists<kSpace>& lists) {
  starts_.clear();
  lists.row_adds.clear();
  lists.row_adds.reserve(subtrees_.all.size());
  std::size_t rows = 0;
  const Slots sum = reduce_tree<Slots>(
      {0, shard_.placement.part_count()}, subtrees_.all,
      [&](std::size_t k) {  // from left to right
        starts_.push_back(rows);
        const Slots leaf = add_leaf(relations_of(subtrees_.all[k], drawn), rows);
        rows += leaf.end - leaf.first;
        return leaf;
      },
      [&](Slots left, Slots right) { return merge(left, right, writer, lists.row_adds); });
  starts_.push_back(rows);
  lists.first_row.resize(ranks_ + 1);
  for (std::size_t r = 0; r <= ranks_; ++r) lists.first_row[r] = starts_[subtrees_.first[r]];
  const auto rank = static_cast<std::size_t>(shard_.rank.value());
  TESSERA_ASSERT(lists.first_row[rank + 1] - lists.first_row[rank] == lists.leaf_slots.size(),
                 "targets and batches know the same relations");
  auto& ids = scratch_[0];
  auto& slots = scratch_[1];
  ids.clear();
  slots.clear();
  for (std::size_t i = sum.first; i < sum.end; ++i) {
    ids.push_back(slots_[i].id);
    slots.push_back(slots_[i].slot);
  }
  lists.sum_ids = writer.put(ids);
  if (ranks_ > 1) lists.sum_slots = writer.put(slots);
}

// Every query has a target, which has its relation.
template <Space kSpace>
std::span<const std::uint32_t> QueryExchangeDraw<kSpace>::relations_of(PartRange subtree, const Drawn& drawn) {
  auto& relations = scratch_[0];
  relations.clear();
  for (std::uint64_t q = drawn.exchange.query_begin(subtree.first); q < drawn.exchange.query_begin(subtree.end); ++q)
    relations.push_back(drawn.exchange.targets()[drawn.first_target[q]].relation);
  groups_.build(relations, 2 * shard_.manifest.relation_count);
  return groups_.ids();
}

template <Space kSpace>
typename QueryExchangeDraw<kSpace>::Slots QueryExchangeDraw<kSpace>::add_leaf(std::span<const std::uint32_t> ids,
                                                                              std::size_t first_slot) {
  const std::size_t first = slots_.size();
  for (const std::uint32_t id : ids) slots_.push_back({id, static_cast<std::uint32_t>(first_slot++)});
  return {first, slots_.size()};
}

template <Space kSpace>
typename QueryExchangeDraw<kSpace>::Slots QueryExchangeDraw<kSpace>::merge(Slots left, Slots right, Writer& writer,
                                                                           std::vector<NodeAdds<kSpace>>& adds) {
  auto& from = scratch_[0];
  auto& to = scratch_[1];
  from.clear();
  to.clear();
  const std::size_t first = slots_.size();
  std::size_t a = left.first;
  std::size_t b = right.first;
  while (a < left.end || b < right.end) {
    const bool from_left = a < left.end && (b == right.end || slots_[a].id <= slots_[b].id);
    const bool from_right = b < right.end && (a == left.end || slots_[b].id <= slots_[a].id);
    if (from_left && from_right) {
      from.push_back(slots_[b].slot);
      to.push_back(slots_[a].slot);
    }
    slots_.push_back(from_left ? slots_[a] : slots_[b]);
    a += from_left ? 1 : 0;
    b += from_right ? 1 : 0;
  }
  if (!from.empty()) {
    const auto from_list = writer.put(from);
    adds.push_back({from_list, writer.put(to)});
  }
  return {first, slots_.size()};
}

template class QueryExchangeDraw<Space::kHost>;
template class QueryExchangeDraw<Space::kDevice>;

}  // namespace tessera::exchange
