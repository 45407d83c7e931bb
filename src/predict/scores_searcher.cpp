// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/scores_searcher.hpp"

#include "comm/agreement.hpp"
#include "predict/detail/best_relations.hpp"
#include "search/answerer.hpp"
#include "search/query_vectors.hpp"

#include <algorithm>
#include <utility>

namespace tessera::predict {
namespace {

using search::Candidate;

SearchOptions fitted_options(const search::Ranks& ranks, const search::EntityScores& scores, SearchOptions options) {
  if (options.k == 0)
    throw comm::AgreedError(ExitStatus::kUsage, "0 answers per query were asked for; k must be at least 1");
  if (options.among != nullptr)
    throw comm::AgreedError(ExitStatus::kUsage, "model '" + scores.name() +
                                                    "' searches among all entities; --where, --type and --among are "
                                                    "for models with vectors");
  options.k = std::min(options.k, ranks.shard.manifest.entity_count);
  return options;
}

}  // namespace

ScoresSearcher::ScoresSearcher(const search::Ranks& ranks, search::EntityScores& scores,
                               const std::filesystem::path& partition_folder, const SearchOptions& options)
    : ranks_(ranks),
      scores_(scores),
      options_(fitted_options(ranks, scores, options)),
      known_(ranks.shard, graph::kSplits),
      original_ids_(ranks.comm, ranks.shard, partition_folder, ranks.host.pool()) {}

/// The k best of a query, in a heap whose top is the worst of them.
void ScoresSearcher::find_best(const search::Query& query, std::span<const float> scores,
                               std::span<Found> found) const {
  std::vector<Candidate> best;
  for (std::uint64_t v = 0; v < scores.size(); ++v) {
    const Candidate candidate{EntityId(v), scores[v]};
    if (best.size() == found.size() && !is_better(candidate, best.front())) continue;
    if (options_.known == KnownAnswers::kOmit && known_.find(query, candidate.entity)) continue;
    if (best.size() == found.size()) {
      std::pop_heap(best.begin(), best.end(), [](auto& a, auto& b) { return is_better(a, b); });
      best.pop_back();
    }
    best.push_back(candidate);
    std::push_heap(best.begin(), best.end(), [](auto& a, auto& b) { return is_better(a, b); });
  }
  std::sort(best.begin(), best.end(), [](auto& a, auto& b) { return is_better(a, b); });
  for (std::size_t i = 0; i < best.size(); ++i)
    found[i] = {{best[i].entity.value(), best[i].score, known_in(known_.find(query, best[i].entity))}, 1};
}

void ScoresSearcher::search_own(std::span<const search::Query> queries, std::span<const std::size_t> own,
                                std::span<Found> found) const {
  std::vector<search::Query> asked;
  for (const std::size_t i : own) asked.push_back(queries[i]);
  scores_.score(asked, [&](std::size_t q, std::span<const float> scores) {
    find_best(asked[q], scores, found.subspan(q * options_.k, options_.k));
  });
}

std::vector<Answers> ScoresSearcher::search(std::span<const search::Query> queries) {
  const auto ranks = static_cast<std::int32_t>(ranks_.comm.size());
  const std::uint64_t k = options_.k;
  std::vector<std::size_t> order;        // queries by owner
  std::vector<std::size_t> begin(1, 0);  // of the queries of each rank
  std::vector<std::size_t> found_begin(1, 0);
  for (std::int32_t r = 0; r < ranks; ++r) {
    for (std::size_t i = 0; i < queries.size(); ++i)
      if (ranks_.shard.owner_rank(queries[i].source) == Rank(r)) order.push_back(i);
    begin.push_back(order.size());
    found_begin.push_back(order.size() * k);
  }
  const auto me = static_cast<std::size_t>(ranks_.comm.rank().value());
  std::vector<Found> own((begin[me + 1] - begin[me]) * k);
  std::vector<Found> all(queries.size() * k);
  comm::together(ranks_.comm,
                 [&] { search_own(queries, std::span(order).subspan(begin[me], begin[me + 1] - begin[me]), own); });
  search::gather_by_rank<Found>(ranks_.comm, found_begin, own, all);
  std::vector<std::int64_t> ids(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) ids[i] = static_cast<std::int64_t>(all[i].answer.entity);
  original_ids_.translate(ranks_.comm, ids);
  std::vector<Answers> answers(ranks_.comm.is_root() ? queries.size() : 0);
  for (std::size_t slot = 0; slot < answers.size(); ++slot)
    for (std::size_t i = slot * k; i < (slot + 1) * k; ++i)
      if (all[i].is_answer != 0)
        answers[order[slot]].push_back(
            {static_cast<std::uint64_t>(ids[i]), all[i].answer.score, all[i].answer.known_in});
  return answers;
}

Answers ScoresSearcher::search_relations(EntityId head, EntityId tail) {
  const auto relations = static_cast<std::uint32_t>(ranks_.shard.manifest.relation_count);
  const Rank owner = ranks_.shard.owner_rank(head);
  std::vector<detail::FoundRelation> found(std::min<std::uint64_t>(options_.k, relations));
  comm::together(ranks_.comm, [&] {
    if (owner != ranks_.comm.rank()) return;
    std::vector<search::Query> queries;
    for (std::uint32_t r = 0; r < relations; ++r) queries.push_back({head, RelationId(r)});
    std::vector<float> scores(relations);
    scores_.score(queries, [&](std::size_t r, std::span<const float> all) { scores[r] = all[tail.index()]; });
    found = detail::best_relations(scores, head, tail, known_, options_);
  });
  return detail::hand_over(ranks_.comm, owner, std::move(found));
}

}  // namespace tessera::predict
