// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/batch.hpp"

#include "core/error.hpp"
#include "core/random.hpp"

#include <algorithm>
#include <utility>

namespace tessera::train {

using memory::Tag;

StepSchedule::StepSchedule(std::vector<std::uint64_t> items, std::uint64_t batch_size) : items_(std::move(items)) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : items_) total += count;
  steps_ = std::max<std::uint64_t>(1, (total + batch_size - 1) / batch_size);
}

std::uint64_t StepSchedule::begin(PartId part, std::uint64_t step) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(items_[part.index()]) * step / steps_);
}

std::uint64_t StepSchedule::largest_share(PartId part) const { return (items_[part.index()] + steps_ - 1) / steps_; }

std::uint64_t StepSchedule::largest_share() const {
  return (*std::max_element(items_.begin(), items_.end()) + steps_ - 1) / steps_;
}

std::uint64_t StepSchedule::size(std::uint64_t step) const {
  std::uint64_t sum = 0;
  for (std::uint32_t p = 0; p < items_.size(); ++p) sum += begin(PartId(p), step + 1) - begin(PartId(p), step);
  return sum;
}

Scope find_scope(const std::string& name) {
  if (name == "global") return Scope::kGlobal;
  if (name == "part") return Scope::kPart;
  if (name == "all") return Scope::kAll;
  fail(ExitStatus::kUsage, "negatives.scope '{}' is not known; it is one of: global, part, all", name);
}

Batch::Batch(const graph::PartitionManifest& manifest, PartId part, std::uint64_t most_queries, std::uint64_t negatives,
             memory::Pool& pool)
    : part_(part),
      entity_count_(manifest.entity_count),
      first_entity_(manifest.offsets[part.index()]),
      directed_relations_(2 * manifest.relation_count),
      negatives_(negatives),
      occurrences_(pool.allocate<std::uint64_t>(Tag::kBatch, 2 * most_queries + negatives)),
      relations_(pool.allocate<std::uint32_t>(Tag::kBatch, most_queries)),
      by_relation_(most_queries, pool),
      rows_(manifest, part, 2 * most_queries + negatives, pool) {}

void Batch::draw(const graph::Part& part, const Draw& draw) {
  const graph::QuerySet& queries = part.queries(graph::Split::kTrain);
  const Permutation order(queries.size(), RandomStream(draw.seed, Purpose::kShuffle, draw.epoch, part_.value()));
  size_ = draw.end_query - draw.first_query;
  position_ = {draw.epoch, part_.value(), draw.first_query};
  for (std::size_t i = 0; i < size_; ++i) {
    const Query query = queries.query(order(draw.first_query + i));
    occurrences_[i] = first_entity_ + query.source.value();
    occurrences_[size_ + i] = query.target.value();
    relations_[i] = query.relation.value();
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

std::span<const std::uint32_t> Batch::negatives_equal_to_target(std::size_t i) const {
  const std::uint32_t u = rows_.distinct()[size_ + i];
  const auto segment = rows_.positions().subspan(rows_.segment_offsets()[u],
                                                 rows_.segment_offsets()[u + 1] - rows_.segment_offsets()[u]);
  const auto first = std::lower_bound(segment.begin(), segment.end(), static_cast<std::uint32_t>(2 * size_));
  return segment.subspan(static_cast<std::size_t>(first - segment.begin()));
}

}  // namespace tessera::train
