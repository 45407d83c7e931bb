// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/tree/relation_sum.hpp"

#include "core/error.hpp"
#include "exchange/bytes.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

namespace tessera::exchange {

using execution::Space;
using memory::Tag;

namespace {

constexpr std::size_t kBlockRows = 256;

std::uint64_t sum_of(const std::vector<std::uint64_t>& of_parts) {
  return std::accumulate(of_parts.begin(), of_parts.end(), std::uint64_t{0});
}

std::uint64_t own_queries(const graph::Shard& shard, const std::vector<std::uint64_t>& queries) {
  std::uint64_t own = 0;
  for (const graph::Part& part : shard.parts) own += queries[part.id().index()];
  return own;
}

// Most distinct relations of the subtrees' queries, added up.
std::uint64_t subtree_rows(std::span<const PartRange> subtrees, const RelationSumSizes& sizes) {
  std::uint64_t rows = 0;
  for (const PartRange subtree : subtrees) {
    std::uint64_t queries = 0;
    for (std::uint32_t p = subtree.first; p < subtree.end; ++p) queries += sizes.queries[p];
    rows += std::min<std::uint64_t>(queries, sizes.relations);
  }
  return rows;
}

}  // namespace

// ---- lists: where both sides of a node have a relation, the right row is added to the left

template <Space kSpace>
std::uint64_t RelationSumDraw<kSpace>::words(const graph::Shard& shard, const std::vector<std::uint64_t>& queries) {
  return 3 * own_queries(shard, queries) + 4 * sum_of(queries);
}

template <Space kSpace>
RelationSumDraw<kSpace>::RelationSumDraw(const graph::Shard& shard, const std::vector<std::uint64_t>& queries,
                                         memory::Pool& pool)
    : shard_(shard),
      ranks_(static_cast<std::size_t>(shard.placement.rank_count())),
      subtrees_(rank_subtrees(shard.placement)),
      groups_(sum_of(queries), pool) {
  for (const graph::Part& part : shard.parts) own_parts_.push_back({part.id().value(), part.id().value() + 1});
  const auto levels = static_cast<std::uint64_t>(std::bit_width(shard.placement.part_count()));
  slots_.reserve((own_queries(shard, queries) + sum_of(queries)) * (levels + 1));
  starts_.reserve(std::max(subtrees_.all.size(), own_parts_.size()) + 1);
  leaf_slots_.reserve(own_queries(shard, queries));
  for (auto& scratch : scratch_) scratch.reserve(sum_of(queries));
}

template <Space kSpace>
void RelationSumDraw<kSpace>::put(const Drawn& drawn, Writer& writer, RelationSumLists<kSpace>& lists) {
  slots_.clear();
  put_leaves(drawn, writer, lists);
  put_rows(drawn, writer, lists);
}

template <Space kSpace>
void RelationSumDraw<kSpace>::put_leaves(const Drawn& drawn, Writer& writer, RelationSumLists<kSpace>& lists) {
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
void RelationSumDraw<kSpace>::put_rows(const Drawn& drawn, Writer& writer, RelationSumLists<kSpace>& lists) {
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
                 "queries and batches know the same relations");
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

template <Space kSpace>
std::span<const std::uint32_t> RelationSumDraw<kSpace>::relations_of(PartRange subtree, const Drawn& drawn) {
  const std::uint64_t first = drawn.query_begin[subtree.first];
  groups_.build(drawn.of_queries.subspan(first, drawn.query_begin[subtree.end] - first),
                2 * shard_.manifest.relation_count);
  return groups_.ids();
}

template <Space kSpace>
typename RelationSumDraw<kSpace>::Slots RelationSumDraw<kSpace>::add_leaf(std::span<const std::uint32_t> ids,
                                                                          std::size_t first_slot) {
  const std::size_t first = slots_.size();
  for (const std::uint32_t id : ids) slots_.push_back({id, static_cast<std::uint32_t>(first_slot++)});
  return {first, slots_.size()};
}

template <Space kSpace>
typename RelationSumDraw<kSpace>::Slots RelationSumDraw<kSpace>::merge(Slots left, Slots right, Writer& writer,
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

// ---- the sum

template <Space kSpace>
std::uint64_t RelationSum<kSpace>::largest_bytes(const graph::Shard& shard, const RelationSumSizes& sizes) {
  const auto ranks = static_cast<std::uint64_t>(shard.placement.rank_count());
  return (ranks + 1) * subtree_rows(rank_subtrees(shard.placement).all, sizes) * sizes.gradient_dim * sizeof(float);
}

template <Space kSpace>
RelationSum<kSpace>::RelationSum(execution::Executor<kSpace>& executor, execution::StepMemory<kSpace>& memory,
                                 const graph::Shard& shard, Transport* transport, const RelationSumSizes& sizes)
    : executor_(executor),
      transport_(transport),
      ranks_(static_cast<std::size_t>(shard.placement.rank_count())),
      self_(static_cast<std::size_t>(shard.rank.value())),
      rows_(memory.allocate(Tag::kExchange, subtree_rows(rank_subtrees(shard.placement).all, sizes),
                            sizes.gradient_dim)) {
  TESSERA_ASSERT(ranks_ == 1 || transport_ != nullptr, "several ranks need a transport");
  if (ranks_ > 1) sums_ = memory.allocate(Tag::kGradients, sizes.relations, sizes.gradient_dim);
  sends_.reserve(ranks_);
  receives_.reserve(ranks_);
}

template <Space kSpace>
void RelationSum<kSpace>::add_rows(Matrix table, const NodeAdds<kSpace>& adds) const {
  executor_.for_blocks(adds.to.size(), kBlockRows, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    executor_.kernels().rows.add(table, adds.from.subspan(first, count), adds.to.subspan(first, count), table);
  });
}

template <Space kSpace>
void RelationSum<kSpace>::gather(Matrix table, Indices rows, Matrix out) const {
  executor_.for_blocks(rows.size(), kBlockRows, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    executor_.kernels().rows.gather(table, rows.subspan(first, count), out.block(first, count));
  });
}

template <Space kSpace>
typename RelationSum<kSpace>::Sum RelationSum<kSpace>::sum(const Lists& lists, Matrix leaves) {
  const auto block = [&](std::size_t rank) {
    return rows_.block(lists.first_row[rank], lists.first_row[rank + 1] - lists.first_row[rank]);
  };
  for (const NodeAdds<kSpace>& node : lists.leaf_adds) add_rows(leaves, node);
  gather(leaves, lists.leaf_slots, block(self_));
  if (ranks_ == 1) return {block(0), lists.sum_ids};
  sends_.clear();
  receives_.clear();
  for (std::size_t r = 0; r < ranks_; ++r) {
    const Rank rank(static_cast<std::int32_t>(r));
    if (r == self_) continue;
    if (block(self_).rows > 0) sends_.push_back({bytes_of(block(self_)), rank});
    if (block(r).rows > 0) receives_.push_back({bytes_of(block(r)), rank});
  }
  transport_->exchange(sends_, receives_);
  for (const NodeAdds<kSpace>& node : lists.row_adds) add_rows(rows_, node);
  const Matrix sums = sums_.block(0, lists.sum_slots.size());
  gather(rows_, lists.sum_slots, sums);
  return {sums, lists.sum_ids};
}

template class RelationSumDraw<Space::kHost>;
template class RelationSumDraw<Space::kDevice>;
template class RelationSum<Space::kHost>;
template class RelationSum<Space::kDevice>;

}  // namespace tessera::exchange
