// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/query_batch.hpp"

#include "core/random.hpp"

namespace tessera::train {

using memory::Tag;

QueryBatch::QueryBatch(const graph::PartitionManifest& manifest, PartId part, const Capacity& capacity,
                       memory::Pool& pool)
    : part_(part),
      directed_relations_(2 * manifest.relation_count),
      sources_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity.queries)),
      relations_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity.queries)),
      answers_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity.queries)),
      targets_(pool.allocate<exchange::QueryTarget>(Tag::kBatch, capacity.targets)),
      candidates_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity.candidates)),
      by_source_(capacity.queries, pool),
      by_relation_(capacity.queries, pool),
      by_candidate_(capacity.candidates, pool) {}

void QueryBatch::draw(const graph::Part& part, const QueryItems& items, const Draw& draw) {
  const graph::QuerySet& queries = part.queries(graph::Split::kTrain);
  const Permutation order(items.size(), RandomStream(draw.seed, Purpose::kShuffle, draw.epoch, part_.value()));
  size_ = draw.end_item - draw.first_item;
  position_ = {draw.epoch, part_.value(), draw.first_item};
  target_count_ = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    const std::uint64_t item = order(draw.first_item + i);
    const std::uint64_t first = items.first(item);
    sources_[i] = queries.source(first).value();
    relations_[i] = queries.relation(first).value();
    answers_[i] = static_cast<std::uint32_t>(items.first(item + 1) - first);
    for (std::uint64_t k = first; k < items.first(item + 1); ++k)
      targets_[target_count_++] = {queries.target(k).value(), static_cast<std::uint32_t>(i), relations_[i]};
  }
  const RandomStream stream(draw.seed, Purpose::kNegatives, draw.epoch, part_.value());
  for (std::size_t j = 0; j < candidates_.size(); ++j)
    candidates_[j] = static_cast<std::uint32_t>(stream.below(draw.step * candidates_.size() + j, part.rows()));
  by_source_.build(sources(), part.rows());
  by_relation_.build(relations(), directed_relations_);
  by_candidate_.build(candidates(), part.rows());
}

}  // namespace tessera::train
