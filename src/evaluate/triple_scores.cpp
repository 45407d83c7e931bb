// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/triple_scores.hpp"

#include "search/known_answers.hpp"

#include <cstdint>

namespace tessera::evaluate {
namespace {

/// Where the result of a query goes: 2 i for the tail of triple i, 2 i + 1 for the head. In the order in which the
/// evaluator ranks them.
std::vector<std::uint64_t> query_order(const search::Ranks& setup, std::span<const Triple> triples) {
  std::vector<std::vector<std::uint64_t>> of_rank(static_cast<std::size_t>(setup.comm.size()));
  const auto add = [&](EntityId source, std::uint64_t place) {
    of_rank[static_cast<std::size_t>(setup.shard.owner_rank(source).value())].push_back(place);
  };
  for (std::uint64_t i = 0; i < triples.size(); ++i) {
    add(triples[i].head, 2 * i);
    add(triples[i].tail, 2 * i + 1);
  }
  std::vector<std::uint64_t> order;
  for (const auto& places : of_rank) order.insert(order.end(), places.begin(), places.end());
  return order;
}

void take(TripleScore& triple, bool is_tail, const RankedQuery& query) {
  (is_tail ? triple.tail_score : triple.head_score) = query.score;
  (is_tail ? triple.tail_rank : triple.head_rank) = rank_of(query, TieRule::kRealistic);
}

/// Collective. For each triple 1 + the first split that has it, or 0.
std::vector<std::int64_t> find_known(const search::Ranks& setup, std::span<const Triple> triples) {
  const search::KnownAnswers known(setup.shard, graph::kSplits);
  std::vector<std::int64_t> found(triples.size());
  for (std::size_t i = 0; i < triples.size(); ++i) {
    if (setup.shard.owner_rank(triples[i].head) != setup.shard.rank) continue;
    const auto split = known.find({triples[i].head, triples[i].relation}, triples[i].tail);
    if (split) found[i] = 1 + static_cast<std::int64_t>(*split);
  }
  setup.comm.all_reduce(found, comm::Reduction::kSum);
  return found;
}

}  // namespace

std::vector<TripleScore> score_triples(Ranking& evaluator, const search::Ranks& setup,
                                       std::span<const Triple> triples) {
  const bool is_root = setup.comm.is_root();
  std::vector<TripleScore> scores(is_root ? triples.size() : 0);
  const std::vector<std::uint64_t> order = is_root ? query_order(setup, triples) : std::vector<std::uint64_t>();
  std::size_t next = 0;
  evaluator.run(triples, [&](std::span<const RankedQuery> ranked) {
    if (!is_root) return;
    for (const RankedQuery& query : ranked) {
      const std::uint64_t place = order[next++];
      take(scores[place / 2], place % 2 == 0, query);
    }
  });
  const std::vector<std::int64_t> known = find_known(setup, triples);
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (known[i] > 0) scores[i].known_in = static_cast<graph::Split>(known[i] - 1);
  return scores;
}

}  // namespace tessera::evaluate
