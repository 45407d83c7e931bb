// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/item_order.hpp"

#include "core/error.hpp"
#include "sampling/query_items.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::sampling {
namespace {

using memory::Tag;
using packing::kChunkQueries;

/// Most queries of a group of chunks: the last list of it may go on.
std::uint64_t capacity(const ItemOrder::Sizes& sizes) {
  const std::uint64_t longest =
      items_span_chunks(sizes.most_answers) ? (sizes.largest + kChunkQueries - 1) / kChunkQueries * kChunkQueries : 0;
  return std::min(sizes.queries, ItemOrder::kGroupChunks * std::max<std::uint64_t>(longest, kChunkQueries));
}

// Groups of nearly the same size. No group has more queries than `kGroupChunks` full chunks.
std::uint64_t group_size(const graph::QuerySet& queries) {
  const std::uint64_t chunks = queries.chunk_count();
  if (queries.size() <= ItemOrder::kGroupChunks * kChunkQueries) return std::max<std::uint64_t>(1, chunks);
  const std::uint64_t groups = (chunks + ItemOrder::kGroupChunks - 1) / ItemOrder::kGroupChunks;
  return (chunks + groups - 1) / groups;
}

constexpr std::uint64_t kBlockItems = 16384;    // 64 kB, and enough for some threads
constexpr std::uint64_t kMostEntities = 65536;  // 256 kB

std::uint64_t table_words(std::uint64_t items) {
  return std::max(Permutation::table_words(items), GridPermutation::table_words(items));
}

}  // namespace

ItemOrder::ItemOrder(const graph::Part& part, const Sizes& sizes, memory::Pool& pool)
    : queries_(part.queries(graph::Split::kTrain)),
      part_(part.id().value()),
      most_answers_(sizes.most_answers),
      spans_chunks_(items_span_chunks(sizes.most_answers)),
      group_size_(group_size(queries_)),
      rows_(pool.allocate<Row>(Tag::kBatch, capacity(sizes))),
      order_(pool.allocate<std::uint32_t>(Tag::kBatch, std::min(kBlockItems, capacity(sizes)))),
      tables_(pool.allocate<std::uint32_t>(
          Tag::kBatch, table_words(std::max<std::uint64_t>(capacity(sizes), queries_.chunk_count())))) {
  if (has_weights()) weights_ = pool.allocate<float>(Tag::kBatch, capacity(sizes));
  if (sizes.most_answers > 0) first_ = pool.allocate<std::uint32_t>(Tag::kBatch, capacity(sizes) + 1);
  const auto targets = static_cast<std::uint32_t>(queries_.target_bound());
  if (targets == 0) return;
  TESSERA_ASSERT(queries_.entity(targets - 1) < (std::uint64_t{1} << 32U), "a graph has at most 2^32 entities");
  if (targets > std::min(kMostEntities, capacity(sizes))) return;
  entities_ = pool.allocate<std::uint32_t>(Tag::kBatch, targets);
  for (std::uint32_t i = 0; i < targets; ++i) entities_[i] = static_cast<std::uint32_t>(queries_.entity(i));
}

std::uint64_t ItemOrder::seek(std::uint64_t seed, std::uint32_t epoch, std::uint64_t first) {
  if (epoch_ != epoch || seed_ != seed || first < group_begin_) begin_epoch(seed, epoch);
  while (first >= group_end_) load_group();
  if (first < block_begin_ || first >= block_end_) fill_block(first);
  return block_end_;
}

void ItemOrder::begin_epoch(std::uint64_t seed, std::uint32_t epoch) {
  seed_ = seed;
  epoch_ = epoch;
  group_ = 0;
  group_begin_ = 0;
  group_end_ = 0;
}

void ItemOrder::load_group() {
  TESSERA_ASSERT(group_ * group_size_ < queries_.chunk_count(), "an epoch has as many items as were counted");
  if (!is_whole() || size_ == 0) {
    choose_chunks();
    size_ = 0;
    std::uint32_t relation = 0;
    for (std::size_t chunk : group_chunks_) {
      relation = relation_from(relation, chunk);
      do unpack(chunk, relation);
      while (spans_chunks_ && ++chunk < queries_.chunk_count() && queries_.continues(chunk));
    }
    find_items();
  }
  group_begin_ = group_end_;
  group_end_ += items_;
  block_begin_ = group_begin_;
  block_end_ = group_begin_;
  begin_order();
  ++group_;
}

void ItemOrder::begin_order() {
  if (is_small()) {
    const Permutation order(items_, RandomStream(seed_, Purpose::kShuffle, *epoch_, part_));
    order.tabulate(tables_.span());
    shuffled_ = order;
    return;
  }
  const std::uint64_t seed = RandomStream(seed_, Purpose::kShuffleGroups, *epoch_, part_).bits(group_);
  shuffled_ = GridPermutation(items_, RandomStream(seed, Purpose::kShuffle, *epoch_, part_), tables_.span());
}

void ItemOrder::fill_block(std::uint64_t first) {
  block_begin_ = first;
  block_end_ = std::min(group_end_, first + order_.size());
  const std::span<std::uint32_t> block = order_.span().first(block_end_ - first);
  if (const auto* grid = std::get_if<GridPermutation>(&shuffled_))
    grid->fill(first - group_begin_, block);
  else
    std::get<Permutation>(shuffled_).fill(first - group_begin_, tables_.span(), block);
}

// Chunks of a group ascend, so the relation of one is near that of the one before.
std::uint32_t ItemOrder::relation_from(std::uint32_t relation, std::size_t chunk) const {
  constexpr std::uint32_t kNear = 8;
  const auto chunks = queries_.columns().relation_chunks;
  for (std::uint32_t step = 0; step < kNear; ++step, ++relation)
    if (chunk < chunks[relation + 1]) return relation;
  return queries_.relation(chunk).value();
}

// A chunk that goes on with a list comes with the chunk in which the list begins.
void ItemOrder::choose_chunks() {
  const std::uint64_t chunks = queries_.chunk_count();
  const std::uint64_t first = group_ * group_size_;
  group_chunks_.resize(std::min(chunks - first, group_size_));
  if (is_whole()) {
    std::iota(group_chunks_.begin(), group_chunks_.end(), 0U);
  } else {
    const Permutation order(chunks, RandomStream(seed_, Purpose::kShuffleChunks, *epoch_, part_));
    order.tabulate(tables_.span());
    order.fill(first, tables_.span(), group_chunks_);
  }
  const auto goes_on = [&](std::uint32_t chunk) { return spans_chunks_ && queries_.continues(chunk); };
  group_chunks_.erase(std::remove_if(group_chunks_.begin(), group_chunks_.end(), goes_on), group_chunks_.end());
  std::sort(group_chunks_.begin(), group_chunks_.end());
}

void ItemOrder::unpack(std::size_t chunk, std::uint32_t relation) {
  packing::ChunkReader& reader = scratch_->reader;
  queries_.read(chunk, reader);
  const auto sources = reader.sources();
  const auto targets = reader.targets();
  TESSERA_ASSERT(size_ + sources.size() <= rows_.size(), "a group of chunks has room for its queries");
  const std::span<Row> rows = rows_.span().subspan(size_, sources.size());
  if (entities_.size() > 0) {
    const std::uint32_t* entities = entities_.data();
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {sources[i], relation, entities[targets[i]]};
  } else {
    queries_.entities(targets, scratch_->ids.data());
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i] = {sources[i], relation, static_cast<std::uint32_t>(scratch_->ids[i])};
  }
  if (has_weights()) queries_.read_weights(queries_.first_query(chunk), weights_.span().subspan(size_, rows.size()));
  size_ += rows.size();
}

// Queries of one (source, relation) lie together. Full chunks of a long list end where items of 32 do.
void ItemOrder::find_items() {
  items_ = size_;
  if (first_.size() == 0) return;
  items_ = 0;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    const bool same = i > 0 && rows_[i].relation == rows_[i - 1].relation && rows_[i].source == rows_[i - 1].source;
    const bool starts = !same || length == most_answers_;
    if (starts) first_[items_++] = static_cast<std::uint32_t>(i);
    length = starts ? 1 : length + 1;
  }
  first_[items_] = static_cast<std::uint32_t>(size_);
}

}  // namespace tessera::sampling
