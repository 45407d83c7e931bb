// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "search/comparison.hpp"
#include "search/row_mask.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace tessera::search {

/// A query and one of its answers, in global ids.
struct Pair {
  EntityId source;
  EntityId target;
  float score = 0;
};

/// Higher scores first, then smaller sources, then smaller targets: a total order, so that the k best do not depend on
/// who found them when.
inline bool is_better(const Pair& a, const Pair& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.source != b.source ? a.source < b.source : a.target < b.target;
}

/// The pairs that are searched. `rows` and `among` outlive the search.
struct PairNeeds {
  const model::OwnRows& rows;
  std::uint64_t k = 0;
  std::uint64_t block_queries = 0;          ///< at most at once
  const RowMask* among = nullptr;           ///< rows that may be targets; none: all
  std::span<const float> row_factors = {};  ///< [rows of the rank] that scores are multiplied with; none: no factors
  /// Whether a pair is left out; asked for pairs that would be among the best, by several threads. None: none is.
  std::function<bool(const Query& query, EntityId target)> omits = {};
};

/// The k best pairs of all queries that are added and all rows of a rank, by the threads of the host. A score is that
/// of Scores::all_pairs to the last bit, times the factor of the row. Memory (Tag::kEvaluation) grows with k and the
/// block, not with the pairs. Nothing here is collective.
class BestPairs {
 public:
  /// Compares by `similarity`. The setup outlives this. Throws Error(kOverBudget).
  BestPairs(const Setup& setup, const PairNeeds& needs, kernels::Similarity similarity);
  static std::uint64_t bytes(const Sizes& sizes, std::uint64_t k);

  /// Forgets all pairs.
  void clear();
  /// `vectors` [queries, dim], side by side.
  void add(std::span<const Query> queries, const kernels::ConstMatrix& vectors);
  /// The best so far, best first: k, or fewer.
  [[nodiscard]] std::vector<Pair> best() const;

 private:
  using Queries = Comparison<kernels::Space::kHost>::Queries;
  using Rows = Comparison<kernels::Space::kHost>::Rows;
  /// The best pairs of a worker: the first `size` of its 2 k places. Once it has seen k, `bar` is the least score that
  /// may be among its best.
  struct Kept {
    std::uint64_t size = 0;
    float bar;
  };
  void compare(std::span<const Query> queries, const Queries& some, const Rows& tile, std::size_t worker);
  void consider(const Query& query, std::uint64_t row, float score, std::size_t worker);
  void cut(std::size_t worker);
  [[nodiscard]] std::span<const Pair> kept(std::size_t worker) const {
    return pairs_.span().subspan(worker * 2 * needs_.k, kept_[worker].size);
  }

  PairNeeds needs_;
  Comparison<kernels::Space::kHost> comparison_;
  std::vector<Kept> kept_;      // by worker
  memory::Buffer<Pair> pairs_;  // by worker [2 k]
};

}  // namespace tessera::search
