// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/relation_search.hpp"

#include "comm/agreement.hpp"
#include "kernels/backend.hpp"
#include "predict/detail/best_relations.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace tessera::predict {
namespace {

constexpr std::size_t kBlock = 256;  // relations scored at once

memory::Buffer<float> allocate(const search::Setup& setup, std::uint64_t count) {
  return comm::together(setup.comm, [&] { return setup.host.allocate<float>(memory::Tag::kEvaluation, count); });
}

}  // namespace

RelationSearch::RelationSearch(const search::Setup& setup, const SearchOptions& options)
    : setup_(setup),
      rows_(setup.shard, setup.parameters),
      known_(setup.shard, graph::kSplits),
      options_(options),
      row_magnitude_(model::require_finite_rows(setup.comm, setup.parameters, setup.host.workers())),
      dim_(setup.parameters.dim()),
      vectors_(allocate(setup, kBlock * dim_)),
      row_(allocate(setup, dim_)) {
  setup.parameters.make_operators(setup.host.kernels(), setup.host.workers());
}

Answers RelationSearch::search(EntityId head, EntityId tail) {
  if (rows_.owns(tail)) rows_.read(tail, row_.data());
  setup_.comm.broadcast_values(row_.span().first(dim_), setup_.shard.owner_rank(tail));
  std::vector<detail::FoundRelation> found(std::min(options_.k, setup_.shard.manifest.relation_count));
  comm::together(setup_.comm, [&] {
    if (!rows_.owns(head)) return;
    std::vector<float> scores(setup_.shard.manifest.relation_count);
    score(head, scores);
    found = detail::best_relations(scores, head, tail, known_, options_);
  });
  return detail::hand_over(setup_.comm, setup_.shard.owner_rank(head), std::move(found));
}

void RelationSearch::score(EntityId head, std::vector<float>& scores) {
  const model::Scorer& scorer = setup_.parameters.scorer();
  for (std::size_t first = 0; first < scores.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, scores.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      float* const vector = vectors_.data() + i * dim_;
      rows_.compose(head, RelationId(static_cast<std::uint32_t>(first + i)), vector);
      if (!model::scores_are_finite(scorer.similarity(), model::largest_magnitude(vector, dim_), row_magnitude_, dim_))
        fail(ExitStatus::kBadData, "the scores of relation {} are not numbers; training has diverged", first + i);
    }
    setup_.host.kernels().scores.all_pairs(
        scorer.similarity(), kernels::ConstMatrix{vectors_.data(), count, dim_, dim_},
        kernels::ConstMatrix{row_.data(), 1, dim_, dim_}, {scores.data() + first, count, 1, 1});
  }
}

}  // namespace tessera::predict
