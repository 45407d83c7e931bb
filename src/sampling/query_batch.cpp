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
      first_queries_(pool.allocate<std::uint64_t>(Tag::kBatch, sizes.queries)),
      first_targets_(pool.allocate<std::uint32_t>(Tag::kBatch, sizes.queries)),
      targets_(pool.allocate<exchange::QueryTarget>(Tag::kBatch, sizes.targets)),
      candidates_(pool.allocate<std::uint32_t>(Tag::kBatch, sizes.candidates)),
      by_source_(sizes.queries, pool),
      by_relation_(sizes.queries, pool),
      by_candidate_(sizes.candidates, pool) {}

namespace {

/// Calls body(i) for i in [0, count), many of them at a time on a thread.
template <class Body>
void for_each_query(std::size_t count, std::size_t threads, const Body& body) {
  constexpr std::size_t kPiece = 1024;
  parallel_for((count + kPiece - 1) / kPiece, threads, [&](std::size_t piece) {
    const std::size_t end = std::min(count, (piece + 1) * kPiece);
    for (std::size_t i = piece * kPiece; i < end; ++i) body(i);
  });
}

}  // namespace

void QueryBatch::draw(const graph::Part& part, const QueryItems& items, const Draw& draw) {
  size_ = draw.end_item - draw.first_item;
  position_ = {draw.epoch, part_.value(), draw.first_item};
  draw_queries(part.queries(graph::Split::kTrain), items, draw);
  const RandomStream stream(draw.seed, Purpose::kNegatives, draw.epoch, part_.value());
  for (std::size_t j = 0; j < candidates_.size(); ++j)
    candidates_[j] = static_cast<std::uint32_t>(stream.below(draw.step * candidates_.size() + j, part.rows()));
  parallel_for(3, draw.threads, [&](std::size_t list) {
    if (list == 0) by_source_.build(sources(), part.rows());
    if (list == 1) by_relation_.build(relations(), directed_relations_);
    if (list == 2) by_candidate_.build(candidates(), part.rows());
  });
}

// Where a query's targets begin follows from the answers of those before it: two passes.
void QueryBatch::draw_queries(const graph::QuerySet& queries, const QueryItems& items, const Draw& draw) {
  const Permutation order(items.size(), RandomStream(draw.seed, Purpose::kShuffle, draw.epoch, part_.value()));
  for_each_query(size_, draw.threads, [&](std::size_t i) {
    const std::uint64_t item = order(draw.first_item + i);
    first_queries_[i] = items.first(item);
    answers_[i] = static_cast<std::uint32_t>(items.first(item + 1) - items.first(item));
  });
  target_count_ = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    first_targets_[i] = static_cast<std::uint32_t>(target_count_);
    target_count_ += answers_[i];
  }
  for_each_query(size_, draw.threads, [&](std::size_t i) {
    const std::uint64_t first = first_queries_[i];
    sources_[i] = queries.source(first).value();
    relations_[i] = queries.relation(first).value();
    for (std::uint32_t k = 0; k < answers_[i]; ++k)
      targets_[first_targets_[i] + k] = {queries.target(first + k).value(), static_cast<std::uint32_t>(i),
                                         relations_[i]};
  });
}

}  // namespace tessera::sampling
