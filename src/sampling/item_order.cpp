// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/item_order.hpp"

#include "core/error.hpp"
#include "sampling/query_items.hpp"

#include <algorithm>

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

}  // namespace

ItemOrder::ItemOrder(const graph::Part& part, const Sizes& sizes, memory::Pool& pool)
    : queries_(part.queries(graph::Split::kTrain)),
      part_(part.id().value()),
      most_answers_(sizes.most_answers),
      spans_chunks_(items_span_chunks(sizes.most_answers)),
      sources_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity(sizes))),
      targets_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity(sizes))),
      chunks_(pool.allocate<std::uint8_t>(Tag::kBatch, capacity(sizes))) {
  if (sizes.most_answers > 0) first_ = pool.allocate<std::uint32_t>(Tag::kBatch, capacity(sizes) + 1);
}

std::uint64_t ItemOrder::seek(std::uint64_t seed, std::uint32_t epoch, std::uint64_t first) {
  if (epoch_ != epoch || seed_ != seed || first < group_begin_) begin_epoch(seed, epoch);
  while (first >= group_end_) load_group();
  return group_end_;
}

void ItemOrder::begin_epoch(std::uint64_t seed, std::uint32_t epoch) {
  seed_ = seed;
  epoch_ = epoch;
  group_ = 0;
  group_begin_ = 0;
  group_end_ = 0;
}

void ItemOrder::load_group() {
  TESSERA_ASSERT(group_ * kGroupChunks < queries_.chunk_count(), "an epoch has as many items as were counted");
  const bool is_whole = queries_.chunk_count() <= kGroupChunks;
  if (!is_whole || size_ == 0) {
    choose_chunks();
    size_ = 0;
    for (std::size_t k = 0; k < group_chunk_count_; ++k) {
      std::size_t chunk = group_chunks_[k];
      relations_.at(k) = queries_.relation(chunk).value();
      do unpack(chunk, static_cast<std::uint8_t>(k));
      while (spans_chunks_ && ++chunk < queries_.chunk_count() && queries_.continues(chunk));
    }
    find_items();
  }
  const RandomStream groups(seed_, Purpose::kShuffleGroups, *epoch_, part_);
  const std::uint64_t seed = group_ == 0 ? seed_ : groups.bits(group_);
  order_.emplace(items_, RandomStream(seed, Purpose::kShuffle, *epoch_, part_));
  group_begin_ = group_end_;
  group_end_ += items_;
  ++group_;
}

// A chunk that goes on with a list comes with the chunk in which the list begins.
void ItemOrder::choose_chunks() {
  const std::uint64_t chunks = queries_.chunk_count();
  const Permutation order(chunks, RandomStream(seed_, Purpose::kShuffleChunks, *epoch_, part_));
  group_chunk_count_ = 0;
  for (std::uint64_t k = group_ * kGroupChunks; k < std::min(chunks, (group_ + 1) * kGroupChunks); ++k) {
    const std::uint64_t chunk = order(k);
    if (spans_chunks_ && queries_.continues(chunk)) continue;
    group_chunks_.at(group_chunk_count_++) = static_cast<std::uint32_t>(chunk);
  }
  std::sort(group_chunks_.begin(), group_chunks_.begin() + static_cast<std::ptrdiff_t>(group_chunk_count_));
}

void ItemOrder::unpack(std::size_t chunk, std::uint8_t index) {
  queries_.read(chunk, *reader_);
  const std::size_t count = reader_->sources().size();
  TESSERA_ASSERT(size_ + count <= sources_.size(), "a group of chunks has room for its queries");
  std::copy_n(reader_->sources().data(), count, sources_.data() + size_);
  std::copy_n(reader_->targets().data(), count, targets_.data() + size_);
  std::fill_n(chunks_.data() + size_, count, index);
  size_ += count;
}

// Queries of one (source, relation) lie together. Chunks of 1,024 of a long list end where items of 32 do.
void ItemOrder::find_items() {
  items_ = size_;
  if (first_.size() == 0) return;
  items_ = 0;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    const bool same = i > 0 && chunks_[i] == chunks_[i - 1] && sources_[i] == sources_[i - 1];
    const bool starts = !same || length == most_answers_;
    if (starts) first_[items_++] = static_cast<std::uint32_t>(i);
    length = starts ? 1 : length + 1;
  }
  first_[items_] = static_cast<std::uint32_t>(size_);
}

}  // namespace tessera::sampling
