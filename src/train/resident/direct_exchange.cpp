// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/direct_exchange.hpp"

#include "core/error.hpp"

#include <algorithm>

namespace tessera::train {

using exchange::PartRange;
using kernels::Space;
using kernels::Statistic;
using memory::Tag;

namespace {

auto bytes_of(std::span<float> span) { return std::as_writable_bytes(span); }
auto bytes_of(std::span<Statistic> span) { return std::as_writable_bytes(span); }
template <class T>
auto bytes_of(device::Span<T> span) {
  return device::as_bytes(span);
}
/// Of rows without gaps.
template <Space kSpace>
auto bytes_of(kernels::BasicMatrix<kSpace> rows) {
  return bytes_of(kernels::Vector<kSpace, float>(rows.data, rows.rows * rows.cols));
}

}  // namespace

template <Space kSpace>
DirectExchange<kSpace>::DirectExchange(const EngineSetup& setup, const StepSchedule& schedule, Resident<kSpace>& in,
                                       RankTransport<kSpace>* transport)
    : Base(setup, schedule, in, false),
      transport_(transport),
      ranks_(static_cast<std::size_t>(setup.comm.size())),
      self_(static_cast<std::size_t>(setup.comm.rank().value())),
      subtrees_(exchange::rank_subtrees(shard_.placement)) {
  TESSERA_ASSERT(ranks_ == 1 || transport != nullptr, "several ranks need a transport");
  for (const graph::Part& part : shard_.parts) own_parts_.push_back({part.id().value(), part.id().value() + 1});
  allocate(step_capacity(setup, schedule), exchange_capacity(setup, schedule));
  sends_.reserve(ranks_ * (subtrees_.all.size() + 1));
  receives_.reserve(ranks_ + subtrees_.all.size());
}

template <Space kSpace>
void DirectExchange<kSpace>::allocate(const QueriesStep::Capacity& capacity,
                                      const exchange::QueryExchange::Capacity& by_part) {
  const auto subtree_relations = [&](PartRange subtree) {
    std::uint64_t queries = 0;
    for (std::uint32_t p = subtree.first; p < subtree.end; ++p) queries += by_part.queries[p];
    return std::min<std::uint64_t>(queries, in_.relation_count);
  };
  std::uint64_t rows = 0;
  for (const PartRange subtree : subtrees_.all) rows += subtree_relations(subtree);
  std::uint64_t own_queries = 0;
  for (const QueryBatch::Capacity& part : capacity.own_parts) own_queries += part.queries;
  statistics_ = in_.place.template allocate<Statistic>(Tag::kLogits, subtrees_.all.size() * capacity.queries);
  if (!predicts_) relation_rows_ = in_.allocate(Tag::kExchange, rows, in_.gradient_dim);
  if (ranks_ == 1) return;
  const std::size_t others = subtrees_.all.size() - (subtrees_.first[self_ + 1] - subtrees_.first[self_]);
  packed_scores_ = in_.place.template allocate<float>(Tag::kExchange, capacity.targets);
  received_ = in_.allocate(Tag::kExchange, others * own_queries, width_);
  if (predicts_)
    dense_rows_ = in_.allocate(Tag::kExchange, others * in_.relation_count, in_.gradient_dim);
  else
    relation_sums_ = in_.allocate(Tag::kGradients, in_.relation_count, in_.gradient_dim);
}

template <Space kSpace>
std::string DirectExchange<kSpace>::description() const {
  if (ranks_ == 1) return "only lists are sent to them";
  return "ranks exchange from memory to memory";
}

// ---- transfers

template <Space kSpace>
void DirectExchange<kSpace>::send(Vector<const std::byte> block, std::size_t rank) {
  if (!block.empty()) sends_.push_back({block, Rank(static_cast<std::int32_t>(rank))});
}

template <Space kSpace>
void DirectExchange<kSpace>::receive(Vector<std::byte> block, std::size_t rank) {
  if (!block.empty()) receives_.push_back({block, Rank(static_cast<std::int32_t>(rank))});
}

template <Space kSpace>
template <class Block>
void DirectExchange<kSpace>::spread(const Block& block) {
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank == self_) continue;
    send(block(self_), rank);
    receive(block(rank), rank);
  }
}

template <Space kSpace>
void DirectExchange<kSpace>::flush() {
  if (transport_ != nullptr) transport_->exchange(sends_, receives_);
  sends_.clear();
  receives_.clear();
}

// ---- forward

template <Space kSpace>
void DirectExchange<kSpace>::gather_queries(const Lists& lists, Matrix queries) {
  const auto& first = lists.exchange.first_query;
  spread([&](std::size_t rank) { return bytes_of(queries.block(first[rank], first[rank + 1] - first[rank])); });
  flush();
}

template <Space kSpace>
kernels::Vector<kSpace, Statistic> DirectExchange<kSpace>::subtree_statistics(const Lists& lists, std::size_t subtree) {
  return statistics_.span().subspan(subtree * lists.queries, lists.queries);
}

template <Space kSpace>
kernels::Vector<kSpace, Statistic> DirectExchange<kSpace>::statistics(const Lists& lists, std::size_t k) {
  return subtree_statistics(lists, subtrees_.first[self_] + k);
}

template <Space kSpace>
kernels::Vector<kSpace, const Statistic> DirectExchange<kSpace>::merge_statistics(const Lists& lists,
                                                                                  Vector<float> target_scores) {
  if (ranks_ == 1) return statistics(lists, 0);
  const auto& first = lists.exchange.first_score;
  const auto of_rank = [&](std::size_t rank, auto all) {
    return all.subspan(first[rank], first[rank + 1] - first[rank]);
  };
  // As matrices of one column.
  const auto packed = packed_scores_.span().subspan(0, lists.targets);
  const Matrix in_order{target_scores.data(), lists.targets, 1, 1};
  const auto own = of_rank(self_, packed);
  in_.kernels.rows.gather(in_order, of_rank(self_, lists.exchange.score_order), {own.data(), own.size(), 1, 1});
  spread([&](std::size_t rank) {
    const std::size_t begin = subtrees_.first[rank] * lists.queries;
    const std::size_t count = subtrees_.first[rank + 1] * lists.queries - begin;
    return bytes_of(statistics_.span().subspan(begin, count));
  });
  spread([&](std::size_t rank) { return bytes_of(of_rank(rank, packed)); });
  flush();
  in_.kernels.rows.scatter({packed.data(), packed.size(), 1, 1}, lists.exchange.score_order, in_order);
  return this->merge(subtrees_.all, statistics_.span(), lists.queries);
}

// ---- backward

template <Space kSpace>
std::size_t DirectExchange<kSpace>::among_received(std::size_t subtree) const {
  return subtree < subtrees_.first[self_] ? subtree : subtree - (subtrees_.first[self_ + 1] - subtrees_.first[self_]);
}

template <Space kSpace>
typename DirectExchange<kSpace>::Matrix DirectExchange<kSpace>::return_gradients(const Lists& lists) {
  const auto& first = lists.exchange.first_query;
  const std::size_t own = first[self_ + 1] - first[self_];
  const auto received = [&](std::size_t subtree) { return received_.block(among_received(subtree) * own, own); };
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank == self_) continue;
    for (std::size_t k = 0; k < this->subtrees().size(); ++k)
      send(bytes_of(this->subtree_gradients(lists, k).block(first[rank], first[rank + 1] - first[rank])), rank);
    for (std::size_t subtree = subtrees_.first[rank]; subtree < subtrees_.first[rank + 1]; ++subtree)
      receive(bytes_of(received(subtree)), rank);
  }
  flush();
  return this->add_up({0, shard_.manifest.part_count()}, subtrees_.all, [&](std::size_t subtree) {
    if (!is_own(subtree)) return received(subtree);
    return this->subtree_gradients(lists, subtree - subtrees_.first[self_]).block(first[self_], own);
  });
}

template <Space kSpace>
typename DirectExchange<kSpace>::RelationSum DirectExchange<kSpace>::sum_relations(const Lists& lists, Matrix own,
                                                                                   bool& /*failed*/) {
  return predicts_ ? sum_dense(own) : sum_sparse(lists, own);
}

template <Space kSpace>
typename DirectExchange<kSpace>::RelationSum DirectExchange<kSpace>::sum_sparse(const Lists& lists, Matrix leaves) {
  const auto& rows = in_.kernels.rows;
  const ExchangeLists<kSpace>& known = lists.exchange;
  const auto block = [&](std::size_t rank) {
    return relation_rows_.block(known.first_row[rank], known.first_row[rank + 1] - known.first_row[rank]);
  };
  for (const NodeAdds<kSpace>& node : known.leaf_adds) rows.add(leaves, node.from, node.to, leaves);
  rows.gather(leaves, known.leaf_slots, block(self_));
  if (ranks_ == 1) return {block(0), known.sum_ids};
  spread([&](std::size_t rank) { return bytes_of(block(rank)); });
  flush();
  for (const NodeAdds<kSpace>& node : known.row_adds) rows.add(relation_rows_, node.from, node.to, relation_rows_);
  const Matrix sums = in_.first(relation_sums_, known.sum_slots.size());
  rows.gather(relation_rows_, known.sum_slots, sums);
  return {sums, known.sum_ids};
}

template <Space kSpace>
typename DirectExchange<kSpace>::RelationSum DirectExchange<kSpace>::sum_dense(Matrix own) {
  const std::size_t relations = in_.relation_count;
  const auto of_part = [&](std::size_t p) { return own.block(p * relations, relations); };
  const auto of_subtree = [&](std::size_t subtree) {
    if (is_own(subtree)) return of_part(subtrees_.all[subtree].first - own_parts_.front().first);
    return dense_rows_.block(among_received(subtree) * relations, relations);
  };
  for (const PartRange subtree : this->subtrees()) (void)this->add_up(subtree, own_parts_, of_part);
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank == self_) continue;
    for (std::size_t k = subtrees_.first[self_]; k < subtrees_.first[self_ + 1]; ++k)
      send(bytes_of(of_subtree(k)), rank);
    for (std::size_t k = subtrees_.first[rank]; k < subtrees_.first[rank + 1]; ++k)
      receive(bytes_of(of_subtree(k)), rank);
  }
  flush();
  const Matrix sum = this->add_up({0, shard_.manifest.part_count()}, subtrees_.all, of_subtree);
  return {sum, in_.counting(relations)};
}

template class DirectExchange<Space::kHost>;
template class DirectExchange<Space::kDevice>;

}  // namespace tessera::train
