// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/row_batch.hpp"

#include "core/error.hpp"
#include "core/random.hpp"

#include <algorithm>

namespace tessera::sampling {

using memory::Tag;

Scope find_scope(const std::string& name) {
  if (name == "global") return Scope::kGlobal;
  if (name == "part") return Scope::kPart;
  if (name == "all") return Scope::kAll;
  fail(ExitStatus::kUsage, "negatives.scope '{}' is not known; it is one of: global, part, all", name);
}

RowBatch::RowBatch(const graph::PartitionManifest& manifest, PartId part, const Sizes& sizes, memory::Pool& pool)
    : part_(part),
      entity_count_(manifest.entity_count),
      first_entity_(manifest.offsets[part.index()]),
      directed_relations_(2 * manifest.relation_count),
      negatives_(sizes.negatives),
      occurrences_(pool.allocate<std::uint64_t>(Tag::kBatch, 2 * sizes.queries + sizes.negatives)),
      relations_(pool.allocate<std::uint32_t>(Tag::kBatch, sizes.queries)),
      by_relation_(sizes.queries, pool),
      rows_(manifest, part, 2 * sizes.queries + sizes.negatives, pool) {
  if (sizes.has_weights) weights_ = pool.allocate<float>(Tag::kBatch, sizes.queries);
}

void RowBatch::draw(const graph::Part& part, ItemOrder& queries, const Draw& draw) {
  size_ = draw.end_query - draw.first_query;
  position_ = {draw.epoch, part_.value(), draw.first_query};
  for (std::size_t i = 0; i < size_;) {
    const std::uint64_t readable = queries.seek(draw.seed, draw.epoch, draw.first_query + i);
    for (const std::size_t end = std::min<std::uint64_t>(size_, readable - draw.first_query); i < end; ++i) {
      const std::uint32_t query = queries.item(draw.first_query + i).first;
      occurrences_[i] = first_entity_ + queries.source(query);
      occurrences_[size_ + i] = queries.target(query);
      relations_[i] = queries.relation(query);
      if (weights_.size() > 0) weights_[i] = queries.weight(query);
    }
  }
  const RandomStream stream(draw.seed, Purpose::kNegatives, draw.epoch, part_.value());
  const std::uint64_t first = draw.scope == Scope::kPart ? first_entity_ : 0;
  const std::uint64_t candidates = draw.scope == Scope::kPart ? part.rows() : entity_count_;
  for (std::size_t j = 0; j < negatives_; ++j)
    occurrences_[2 * size_ + j] =
        draw.scope == Scope::kAll ? j : first + stream.below(draw.step * negatives_ + j, candidates);
  rows_.build(occurrences_.span().first(2 * size_ + negatives_));
  by_relation_.build(relations_.span().first(size_), directed_relations_);
}

}  // namespace tessera::sampling
