// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "predict/answer_search.hpp"
#include "search/known_answers.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::predict::detail {

/// A relation as an answer (Answer::entity), as it travels.
struct FoundRelation {
  Answer answer;
  std::uint64_t is_answer = 0;
};

/// The best `options.k` relations of (head, ?, tail), best first, then by id, on the rank that owns the head; scores
/// [R].
std::vector<FoundRelation> best_relations(std::span<const float> scores, EntityId head, EntityId tail,
                                          const search::KnownAnswers& known, const SearchOptions& options);

/// Collective. What the `owner` found: rank 0 returns it, the others nothing. Every rank passes as many places.
Answers hand_over(comm::Communicator& comm, Rank owner, std::vector<FoundRelation> found);

}  // namespace tessera::predict::detail
