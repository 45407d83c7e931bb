// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/relation_search.hpp"

#include "comm/agreement.hpp"
#include "kernels/backend.hpp"

#include <algorithm>
#include <numeric>
#include <span>

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
      omit_known_(options.known == KnownAnswers::kOmit),
      row_magnitude_(model::require_finite_rows(setup.comm, setup.parameters, setup.host.workers())),
      dim_(setup.parameters.dim()),
      vectors_(allocate(setup, kBlock * dim_)),
      row_(allocate(setup, dim_)),
      found_(std::min(options.k, setup.shard.manifest.relation_count)) {
  setup.parameters.make_operators(setup.host.kernels(), setup.host.workers());
}

Answers RelationSearch::search(EntityId head, EntityId tail) {
  if (rows_.owns(tail)) rows_.read(tail, row_.data());
  setup_.comm.broadcast_values(row_.span().first(dim_), setup_.shard.owner_rank(tail));
  comm::together(setup_.comm, [&] {
    if (rows_.owns(head)) find_own(head, tail);
  });
  setup_.comm.broadcast_values(std::span(found_), setup_.shard.owner_rank(head));
  Answers answers;
  if (!setup_.comm.is_root()) return answers;
  for (const Found& found : found_)
    if (found.is_answer != 0) answers.push_back(found.answer);
  return answers;
}

void RelationSearch::find_own(EntityId head, EntityId tail) {
  std::vector<float> scores(setup_.shard.manifest.relation_count);
  score(head, scores);
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  std::fill(found_.begin(), found_.end(), Found{});
  std::size_t next = 0;
  for (const std::uint32_t relation : order) {
    if (next == found_.size()) return;
    const KnownIn known = known_in(known_.find({head, RelationId(relation)}, tail));
    if (omit_known_ && known != KnownIn::kNowhere) continue;
    found_[next++] = {{relation, scores[relation], known}, 1};
  }
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
