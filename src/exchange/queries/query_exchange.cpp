// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/queries/query_exchange.hpp"

#include "core/error.hpp"
#include "exchange/bytes.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::exchange {

using execution::Space;
using kernels::Statistic;
using memory::Tag;

namespace {

constexpr std::size_t kBlockRows = 256;

std::uint64_t sum(const std::vector<std::uint64_t>& of_parts) {
  return std::accumulate(of_parts.begin(), of_parts.end(), std::uint64_t{0});
}

std::uint64_t own_queries_of(const graph::Shard& shard, const QuerySizes& sizes) {
  std::uint64_t queries = 0;
  for (const graph::Part& part : shard.parts) queries += sizes.queries[part.id().index()];
  return queries;
}

}  // namespace

std::uint64_t largest_exchange_bytes(const graph::Shard& shard, const QueryExchangeSizes& sizes) {
  const RankSubtrees subtrees = rank_subtrees(shard.placement);
  const auto self = static_cast<std::size_t>(shard.rank.value());
  const std::uint64_t ranks = subtrees.first.size() - 1;
  const std::uint64_t own = subtrees.first[self + 1] - subtrees.first[self];
  const std::uint64_t others = subtrees.all.size() - own;
  const std::uint64_t queries = sum(sizes.by_part.queries);
  const std::uint64_t own_queries = own_queries_of(shard, sizes.by_part);
  const std::uint64_t vectors = (ranks * own_queries + queries) * sizes.width * sizeof(float);
  const std::uint64_t statistics =
      (ranks * own + others) * queries * sizeof(Statistic) + (ranks + 1) * sum(sizes.by_part.targets) * sizeof(float);
  const std::uint64_t gradients = (own * queries + others * own_queries) * sizes.width * sizeof(float);
  const std::uint64_t relations =
      sizes.predicts_relations ? (ranks * own + others) * sizes.relations * sizes.gradient_dim * sizeof(float)
                               : RelationSum<execution::Space::kHost>::largest_bytes(shard, sizes.relation_sum());
  return std::max({vectors, statistics, gradients, relations});
}

template <Space kSpace>
QueryExchange<kSpace>::QueryExchange(const Setup& setup, const QueryExchangeSizes& sizes)
    : executor_(setup.executor),
      memory_(setup.memory),
      shard_(setup.shard),
      transport_(setup.transport),
      is_binary_(sizes.is_binary),
      width_(sizes.width),
      relations_(sizes.relations),
      ranks_(static_cast<std::size_t>(shard_.placement.rank_count())),
      self_(static_cast<std::size_t>(shard_.rank.value())),
      subtrees_(rank_subtrees(shard_.placement)) {
  TESSERA_ASSERT(ranks_ == 1 || transport_ != nullptr, "several ranks need a transport");
  for (const graph::Part& part : shard_.parts) own_parts_.push_back({part.id().value(), part.id().value() + 1});
  allocate(sizes);
  sends_.reserve(ranks_ * (subtrees_.all.size() + 1));
  receives_.reserve(ranks_ + subtrees_.all.size());
}

template <Space kSpace>
void QueryExchange<kSpace>::allocate(const QueryExchangeSizes& sizes) {
  const std::uint64_t queries = sum(sizes.by_part.queries);
  const std::uint64_t own_queries = own_queries_of(shard_, sizes.by_part);
  gradients_ = memory_.allocate(Tag::kGradients, own_subtrees().size() * queries, width_);
  statistics_ = executor_.template allocate<Statistic>(Tag::kExchange, subtrees_.all.size() * queries);
  if (!sizes.predicts_relations) relation_sum_.emplace(executor_, memory_, shard_, transport_, sizes.relation_sum());
  if (ranks_ == 1) return;
  const std::size_t others = subtrees_.all.size() - own_subtrees().size();
  packed_scores_ = executor_.template allocate<float>(Tag::kExchange, sum(sizes.by_part.targets));
  received_ = memory_.allocate(Tag::kExchange, others * own_queries, width_);
  if (sizes.predicts_relations) dense_rows_ = memory_.allocate(Tag::kExchange, others * relations_, sizes.gradient_dim);
}

template <Space kSpace>
const char* QueryExchange<kSpace>::description() const {
  return transport_ == nullptr ? "one rank exchanges nothing" : transport_->description();
}

// ---- transfers and sums

template <Space kSpace>
void QueryExchange<kSpace>::send(Vector<const std::byte> block, std::size_t rank) {
  if (!block.empty()) sends_.push_back({block, Rank(static_cast<std::int32_t>(rank))});
}

template <Space kSpace>
void QueryExchange<kSpace>::receive(Vector<std::byte> block, std::size_t rank) {
  if (!block.empty()) receives_.push_back({block, Rank(static_cast<std::int32_t>(rank))});
}

template <Space kSpace>
template <class Block>
void QueryExchange<kSpace>::all_gather(const Block& block) {
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank == self_) continue;
    send(block(self_), rank);
    receive(block(rank), rank);
  }
}

template <Space kSpace>
void QueryExchange<kSpace>::flush() {
  if (transport_ != nullptr) transport_->exchange(sends_, receives_);
  sends_.clear();
  receives_.clear();
}

template <Space kSpace>
template <class Leaf>
typename QueryExchange<kSpace>::Matrix QueryExchange<kSpace>::add_up(PartRange node, std::span<const PartRange> known,
                                                                     const Leaf& leaf) const {
  return reduce_tree<Matrix>(node, known, leaf, [&](Matrix left, Matrix right) {
    executor_.for_blocks(left.rows, kBlockRows, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
      const auto each = memory_.counting(count);
      executor_.kernels().rows.add(right.block(first, count), each, each, left.block(first, count));
    });
    return left;
  });
}

// ---- forward

template <Space kSpace>
void QueryExchange<kSpace>::gather_queries(const Lists& lists, Matrix queries) {
  const auto& first = lists.first_query;
  all_gather([&](std::size_t rank) { return bytes_of(queries.block(first[rank], first[rank + 1] - first[rank])); });
  flush();
}

template <Space kSpace>
kernels::Vector<kSpace, Statistic> QueryExchange<kSpace>::subtree_statistics(const Lists& lists, std::size_t subtree) {
  return statistics_.span().subspan(subtree * lists.queries, lists.queries);
}

template <Space kSpace>
kernels::Vector<kSpace, Statistic> QueryExchange<kSpace>::statistics(const Lists& lists, std::size_t k) {
  return subtree_statistics(lists, subtrees_.first[self_] + k);
}

template <Space kSpace>
kernels::Vector<kSpace, const Statistic> QueryExchange<kSpace>::merge_statistics(const Lists& lists,
                                                                                 Vector<float> target_scores) {
  if (ranks_ == 1) return statistics(lists, 0);
  share_statistics(lists, target_scores);
  return merge(lists);
}

template <Space kSpace>
void QueryExchange<kSpace>::share_statistics(const Lists& lists, Vector<float> target_scores) {
  const auto& first = lists.first_score;
  const auto of_rank = [&](std::size_t rank, auto all) {
    return all.subspan(first[rank], first[rank + 1] - first[rank]);
  };
  // Scores are moved as matrices of one column.
  const auto packed = packed_scores_.span().subspan(0, lists.targets);
  const Matrix in_order{target_scores.data(), lists.targets, 1, 1};
  const auto own = of_rank(self_, packed);
  executor_.kernels().rows.gather(in_order, of_rank(self_, lists.score_order), {own.data(), own.size(), 1, 1});
  all_gather([&](std::size_t rank) {
    const std::size_t begin = subtrees_.first[rank] * lists.queries;
    const std::size_t count = subtrees_.first[rank + 1] * lists.queries - begin;
    return bytes_of(statistics_.span().subspan(begin, count));
  });
  all_gather([&](std::size_t rank) { return bytes_of(of_rank(rank, packed)); });
  flush();
  executor_.kernels().rows.scatter({packed.data(), packed.size(), 1, 1}, lists.score_order, in_order);
}

// In place, by kernels wherever the statistics came from: on devices of one kind the bits do not depend on ranks.
template <Space kSpace>
kernels::Vector<kSpace, const Statistic> QueryExchange<kSpace>::merge(const Lists& lists) {
  using Statistics = Vector<Statistic>;
  const auto& kernels = executor_.kernels().statistics;
  return reduce_tree<Statistics>(
      {0, shard_.manifest.part_count()}, subtrees_.all,
      [&](std::size_t subtree) { return subtree_statistics(lists, subtree); },
      [&](Statistics left, Statistics right) {
        executor_.for_blocks(left.size(), kBlockRows,
                             [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
                               if (is_binary_)
                                 kernels.add(right.subspan(first, count), left.subspan(first, count));
                               else
                                 kernels.merge(right.subspan(first, count), left.subspan(first, count));
                             });
        return left;
      });
}

// ---- backward

template <Space kSpace>
std::size_t QueryExchange<kSpace>::among_received(std::size_t subtree) const {
  return subtree < subtrees_.first[self_] ? subtree : subtree - own_subtrees().size();
}

template <Space kSpace>
typename QueryExchange<kSpace>::Matrix QueryExchange<kSpace>::return_gradients(const Lists& lists) {
  const auto& first = lists.first_query;
  const std::size_t own = first[self_ + 1] - first[self_];
  const auto received = [&](std::size_t subtree) { return received_.block(among_received(subtree) * own, own); };
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank == self_) continue;
    for (std::size_t k = 0; k < own_subtrees().size(); ++k)
      send(bytes_of(subtree_gradients(lists, k).block(first[rank], first[rank + 1] - first[rank])), rank);
    for (std::size_t subtree = subtrees_.first[rank]; subtree < subtrees_.first[rank + 1]; ++subtree)
      receive(bytes_of(received(subtree)), rank);
  }
  flush();
  return add_up({0, shard_.manifest.part_count()}, subtrees_.all, [&](std::size_t subtree) {
    if (!is_own(subtree)) return received(subtree);
    return subtree_gradients(lists, subtree - subtrees_.first[self_]).block(first[self_], own);
  });
}

template <Space kSpace>
typename QueryExchange<kSpace>::RelationSum QueryExchange<kSpace>::sum_dense(Matrix own) {
  const auto of_part = [&](std::size_t p) { return own.block(p * relations_, relations_); };
  const auto of_subtree = [&](std::size_t subtree) {
    if (is_own(subtree)) return of_part(subtrees_.all[subtree].first - own_parts_.front().first);
    return dense_rows_.block(among_received(subtree) * relations_, relations_);
  };
  for (const PartRange subtree : own_subtrees()) (void)add_up(subtree, own_parts_, of_part);
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank == self_) continue;
    for (std::size_t k = subtrees_.first[self_]; k < subtrees_.first[self_ + 1]; ++k)
      send(bytes_of(of_subtree(k)), rank);
    for (std::size_t k = subtrees_.first[rank]; k < subtrees_.first[rank + 1]; ++k)
      receive(bytes_of(of_subtree(k)), rank);
  }
  flush();
  const Matrix sums = add_up({0, shard_.manifest.part_count()}, subtrees_.all, of_subtree);
  return {sums, memory_.counting(relations_)};
}

template class QueryExchange<Space::kHost>;
template class QueryExchange<Space::kDevice>;

}  // namespace tessera::exchange
