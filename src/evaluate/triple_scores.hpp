// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "evaluate/ranking.hpp"
#include "graph/split.hpp"
#include "search/setup.hpp"

#include <optional>
#include <span>
#include <vector>

namespace tessera::evaluate {

/// What a model says of one triple.
struct TripleScore {
  float tail_score = 0;                  ///< of (head, relation, ?) with the tail: the score of the triple
  float head_score = 0;                  ///< of (?, relation, tail) with the head; a model may have another one
  double tail_rank = 1;                  ///< realistic, known answers left out
  double head_rank = 1;                  ///< the same
  std::optional<graph::Split> known_in;  ///< the first split that has the triple
};

/// Collective; every rank passes the same triples, in global ids. Rank 0 returns what the evaluator says of each, in
/// their order; the others return nothing. Ranks are 1 where the evaluator only scores. About 100 bytes a triple.
std::vector<TripleScore> score_triples(Ranking& evaluator, const search::Ranks& setup, std::span<const Triple> triples);

}  // namespace tessera::evaluate
