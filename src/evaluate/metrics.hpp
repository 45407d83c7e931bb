// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tessera::evaluate {

/// How candidates that score exactly as the target count. With g above and e level: 1 + g, 1 + g + e / 2, 1 + g + e.
enum class TieRule : std::size_t { kOptimistic, kRealistic, kPessimistic };
inline constexpr std::array<TieRule, 3> kTieRules = {TieRule::kOptimistic, TieRule::kRealistic, TieRule::kPessimistic};
/// "optimistic", ...
const char* name(TieRule rule);

/// Hits@k is given for these k.
inline constexpr std::array<std::uint32_t, 5> kHitsAt = {1, 3, 10, 50, 100};

/// Means over queries under one tie rule. The adjusted two are 0 for a model that guesses and 1 for a perfect one: each
/// query is compared with a random rank among its own n candidates (Berrendorf et al. 2020; Hoyt et al. 2022). The two
/// z count how many standard deviations of guessing, query by query independently, the model is above it. All four are
/// 0 when no query has a second candidate.
struct RankMetrics {
  double mrr = 0;
  double mrr_standard_error = 0;  ///< as if queries were independent; 0 for one query
  std::array<double, 5> hits{};   ///< fraction of ranks <= kHitsAt[i]
  double mean_rank = 0;
  double geometric_mean_rank = 0;
  double adjusted_mrr = 0;              ///< (MRR - E) / (1 - E), E the mean of H_n / n
  double adjusted_mean_rank_index = 0;  ///< 1 - (MR - 1) / (E - 1), E the mean of (n + 1) / 2
  double z_mrr = 0;                     ///< (MRR - E) / S, S the deviation of the MRR of a model that guesses
  double z_mean_rank = 0;               ///< (E - MR) / S of the mean rank; larger is better
  [[nodiscard]] double hits_at(std::uint32_t k) const;
  bool operator==(const RankMetrics&) const = default;
};

/// ("mrr", ...), ("hits_at_10", ...): every figure under the name that files and JSON have for it.
std::vector<std::pair<std::string, double>> figures(const RankMetrics& metrics);

/// One direction, or both together.
struct SideMetrics {
  std::uint64_t queries = 0;
  std::uint64_t unseen =
      0;  ///< queries with an entity or a relation that is in no training triple; they are ranked all the same
  std::array<RankMetrics, 3> by_rule;
  [[nodiscard]] const RankMetrics& operator[](TieRule rule) const { return by_rule.at(static_cast<std::size_t>(rule)); }
  bool operator==(const SideMetrics&) const = default;
};

struct Metrics {
  SideMetrics all;
  SideMetrics tail;            ///< (h, r, ?)
  SideMetrics head;            ///< (?, r, t)
  std::uint64_t entities = 0;  ///< entities of the graph
  double mean_candidates = 0;  ///< candidates of a query after the filter, the target included
  std::string rank_digest;     ///< XXH3-128 of all (n_greater, n_equal) in part order: equal ranks, equal digest
  double seconds = 0;
  /// The headline: MRR of both directions, realistic tie rule. 0 when there is no query.
  [[nodiscard]] double mrr() const { return all[TieRule::kRealistic].mrr; }
  [[nodiscard]] std::uint64_t triples() const { return tail.queries; }
};

/// How one query came out.
struct RankedQuery {
  EntityId source;                  ///< global
  EntityId target;                  ///< global
  RelationId relation;              ///< directed
  std::uint32_t n_greater = 0;      ///< candidates above the target, known answers left out
  std::uint32_t n_equal = 0;        ///< candidates level with the target, known answers and the target itself left out
  std::uint32_t candidates = 0;     ///< known answers left out, the target included
  std::uint32_t target_degree = 0;  ///< training triples that have the target, at either end
  bool unseen = false;              ///< source, target or relation is in no training triple
  float score = 0;                  ///< of the target
};

/// 1 + n_greater + (0, 1/2 or 1) n_equal.
double rank_of(const RankedQuery& query, TieRule rule);

/// The mean of 1 / rank when a rank of 1 .. n is drawn: H_n / n.
double expected_reciprocal_rank(std::uint64_t n);
/// Its variance: (1 + 1/4 + ... + 1/n^2) / n - (H_n / n)^2.
double reciprocal_rank_variance(std::uint64_t n);

/// Sums over some queries, in double and in the order in which they are added; zeros to begin with.
struct QuerySums {
  std::uint64_t queries = 0;
  std::uint64_t unseen = 0;
  std::uint64_t candidates = 0;
  double expected_reciprocal = 0;
  double rank_variance = 0;        ///< variance of ranks that are drawn
  double reciprocal_variance = 0;  ///< variance of 1 / rank
  void add(const RankedQuery& query);
  void add(const QuerySums& other);
};

/// Sums of the ranks of queries under one tie rule.
struct RankSums {
  double rank = 0;
  double log_rank = 0;
  double reciprocal = 0;
  double reciprocal_squared = 0;
  std::array<std::uint64_t, 5> hits{};
  void add(double rank_of_query);
  void add(const RankSums& other);
  [[nodiscard]] RankMetrics mean(const QuerySums& queries) const;
};

/// The sums of both directions under every tie rule.
class MetricsSum {
 public:
  explicit MetricsSum(std::uint64_t relation_count) : relation_count_(relation_count) {}
  void add(const RankedQuery& query);
  /// The means so far; rank_digest, entities and seconds are the caller's.
  [[nodiscard]] Metrics mean() const;

 private:
  struct Side {
    QuerySums queries;
    std::array<RankSums, 3> ranks;
    [[nodiscard]] SideMetrics mean() const;
  };
  std::uint64_t relation_count_;
  Side tail_;
  Side head_;
};

}  // namespace tessera::evaluate
