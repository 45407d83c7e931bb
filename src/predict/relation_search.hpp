// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "predict/answer_search.hpp"
#include "search/known_answers.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <vector>

namespace tessera::predict {

/// Finds the best relations between two entities: each relation is scored as (head, relation, ?) with the tail.
class RelationSearch {
 public:
  /// Collective. Memory (Tag::kEvaluation) for 256 query vectors. `options.k` relations at most; `options.among` is
  /// of entities and not used. Throws AgreedError: kBadData when the model is not finite, kOverBudget.
  RelationSearch(const search::Setup& setup, const SearchOptions& options);

  /// Collective. Rank 0 returns relations (as Answer::entity), best first, then by id; the others nothing. The owner of
  /// the head works. Throws AgreedError(kBadData) when a score is not a number.
  Answers search(EntityId head, EntityId tail);

 private:
  void score(EntityId head, std::vector<float>& scores);

  search::Setup setup_;
  model::OwnRows rows_;
  search::KnownAnswers known_;
  SearchOptions options_;
  float row_magnitude_;
  std::size_t dim_;
  memory::Buffer<float> vectors_;  // [block, dim]
  memory::Buffer<float> row_;      // [dim] of the tail
};

}  // namespace tessera::predict
