// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/query_batch.hpp"

#include "core/parallel.hpp"
#include "core/random.hpp"

#include <algorithm>

namespace tessera::sampling {

using memory::Tag;

QueryBatch::QueryBatch(const graph::PartitionManifest& manifest, PartId part, const BatchSizes& sizes,
                       memory::Pool& pool)
    : part_(part),
      directed_relations_(2 * manifest.relation_count),
      sources_(pool.allocate<std::uint32_t>(Tag::kBatch, sizes.queries)),
      relations_(pool.allocate<std::uint32_t>(Tag::kBatch, sizes.queries)),
      answers_(pool.allocate<std::uint32_t>(Tag::kBatch, sizes.queries)),
      first_queries_(pool.allocate<std::uint32_t>(Tag::kBatch, sizes.queries)),
      first_targets_(pool.allocate<std::uint32_t>(Tag::kBatch, sizes.queries)),
      targets_(pool.allocate<exchange::QueryTarget>(Tag::kBatch, sizes.targets)),
      candidates_(pool.allocate<std::uint32_t>(Tag::kBatch, sizes.candidates)),
      by_source_(sizes.queries, pool),
      by_relation_(sizes.queries, pool),
      by_candidate_(sizes.candidates, pool) {
  if (sizes.has_weights) weights_ = pool.allocate<float>(Tag::kBatch, sizes.queries);
}

namespace {

/// Calls body(i) for i in [first, end), many of them at a time on a thread.
template <class Body>
void for_each_query(std::size_t first, std::size_t end, std::size_t threads, const Body& body) {
  constexpr std::size_t kPiece = 1024;
  parallel_for((end - first + kPiece - 1) / kPiece, threads, [&](std::size_t piece) {
    const std::size_t begin = first + piece * kPiece;
    for (std::size_t i = begin; i < std::min(end, begin + kPiece); ++i) body(i);
  });
}

}  // namespace

void QueryBatch::draw(const graph::Part& part, ItemOrder& items, const Draw& draw) {
  size_ = draw.end_item - draw.first_item;
  position_ = {draw.epoch, part_.value(), draw.first_item};
  draw_queries(items, draw);
  const RandomStream stream(draw.seed, Purpose::kNegatives, draw.epoch, part_.value());
  for (std::size_t j = 0; j < candidates_.size(); ++j)
    candidates_[j] = static_cast<std::uint32_t>(stream.below(draw.step * candidates_.size() + j, part.rows()));
  parallel_for(3, draw.threads, [&](std::size_t list) {
    if (list == 0) by_source_.build(sources(), part.rows());
    if (list == 1) by_relation_.build(relations(), directed_relations_);
    if (list == 2) by_candidate_.build(candidates(), part.rows());
  });
}

// Items are unpacked group by group; a batch may lie in several groups.
void QueryBatch::draw_queries(ItemOrder& items, const Draw& draw) {
  target_count_ = 0;
  for (std::size_t i = 0; i < size_;) {
    const std::uint64_t readable = items.seek(draw.seed, draw.epoch, draw.first_item + i);
    const std::size_t end = std::min<std::uint64_t>(size_, readable - draw.first_item);
    take_items(items, draw, i, end);
    i = end;
  }
}

void QueryBatch::add_weights(std::size_t query) {
  double sum = 0;
  for (std::uint32_t k = 0; k < answers_[query]; ++k)
    sum += static_cast<double>(targets_[first_targets_[query] + k].weight);
  weights_[query] = static_cast<float>(sum);
}

// Where a query's targets begin follows from the answers of those before it: two passes.
void QueryBatch::take_items(const ItemOrder& items, const Draw& draw, std::size_t first, std::size_t end) {
  for_each_query(first, end, draw.threads, [&](std::size_t i) {
    const ItemOrder::Item item = items.item(draw.first_item + i);
    first_queries_[i] = item.first;
    answers_[i] = item.count;
    sources_[i] = items.source(item.first);
    relations_[i] = items.relation(item.first);
  });
  for (std::size_t i = first; i < end; ++i) {
    first_targets_[i] = static_cast<std::uint32_t>(target_count_);
    target_count_ += answers_[i];
  }
  for_each_query(first, end, draw.threads, [&](std::size_t i) {
    for (std::uint32_t k = 0; k < answers_[i]; ++k)
      targets_[first_targets_[i] + k] = {static_cast<std::uint32_t>(items.target(first_queries_[i] + k)),
                                         items.has_weights() ? items.weight(first_queries_[i] + k) : 1.0F,
                                         static_cast<std::uint32_t>(i), relations_[i]};
    if (weights_.size() > 0) add_weights(i);
  });
}

}  // namespace tessera::sampling
