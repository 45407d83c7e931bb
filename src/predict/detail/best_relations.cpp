// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/best_relations.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::predict::detail {

std::vector<FoundRelation> best_relations(std::span<const float> scores, EntityId head, EntityId tail,
                                          const search::KnownAnswers& known, const SearchOptions& options) {
  std::vector<FoundRelation> found(std::min<std::uint64_t>(options.k, scores.size()));
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  std::size_t next = 0;
  for (const std::uint32_t relation : order) {
    if (next == found.size()) break;
    const KnownIn where = known_in(known.find({head, RelationId(relation)}, tail));
    if (options.known == KnownAnswers::kOmit && where != KnownIn::kNowhere) continue;
    found[next++] = {{relation, scores[relation], where}, 1};
  }
  return found;
}

Answers hand_over(comm::Communicator& comm, Rank owner, std::vector<FoundRelation> found) {
  comm.broadcast_values(std::span(found), owner);
  Answers answers;
  if (!comm.is_root()) return answers;
  for (const FoundRelation& one : found)
    if (one.is_answer != 0) answers.push_back(one.answer);
  return answers;
}

}  // namespace tessera::predict::detail
