// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"
#include "model/own_rows.hpp"
#include "model/pair_effort.hpp"
#include "predict/detail/best_candidates.hpp"
#include "predict/detail/known_answers.hpp"
#include "predict/searcher.hpp"

#include <cstdint>
#include <span>

namespace tessera::predict::detail {

/// What a search is about; `rows` and `known` outlive it.
struct SearchNeeds {
  const model::OwnRows& rows;
  const KnownAnswers& known;
  bool omit_known;
  std::uint64_t k;
  std::uint64_t block_queries;  ///< at most at once
};

/// Queries, their vectors [n, dim], and how many answers of each are known, where those are left out.
struct SearchBlock {
  std::span<const SearchQuery> queries;
  kernels::ConstMatrix vectors;
  std::span<const std::int64_t> known_counts;
};

/// The best of the rows that a rank owns, with scores of Scores::all_pairs to the last bit, wherever they are made.
class OwnBest {
 public:
  virtual ~OwnBest() = default;
  /// found[i * k ...] = the best of query i, best first, sizes[i] of them: k, or fewer when there are fewer. Not
  /// collective. Throws Error(kOverBudget).
  virtual void search(const SearchBlock& block, std::span<Candidate> found, std::span<std::uint32_t> sizes) = 0;
  /// Of all searches.
  [[nodiscard]] virtual model::PairEffort effort() const = 0;
};

}  // namespace tessera::predict::detail
