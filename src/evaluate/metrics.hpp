// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tessera::evaluate {

/// How candidates that score exactly as the target count. With g above and e level: 1 + g, 1 + g + e / 2, 1 + g + e.
enum class TieRule : std::size_t { kOptimistic, kRealistic, kPessimistic };
inline constexpr std::array<TieRule, 3> kTieRules = {TieRule::kOptimistic, TieRule::kRealistic, TieRule::kPessimistic};
/// "optimistic", ...
const char* name(TieRule rule);

/// Means over queries.
struct RankMetrics {
  double mrr = 0;
  double hits_at_1 = 0;  ///< fraction of ranks <= 1
  double hits_at_3 = 0;
  double hits_at_10 = 0;
  double mean_rank = 0;
  bool operator==(const RankMetrics&) const = default;
};

/// One direction, or both together.
struct SideMetrics {
  std::uint64_t queries = 0;
  std::uint64_t unseen = 0;  ///< queries whose source or target is in no training triple; they are ranked all the same
  std::array<RankMetrics, 3> by_rule;
  [[nodiscard]] const RankMetrics& operator[](TieRule rule) const { return by_rule.at(static_cast<std::size_t>(rule)); }
  bool operator==(const SideMetrics&) const = default;
};

struct Metrics {
  SideMetrics all;
  SideMetrics tail;              ///< (h, r, ?)
  SideMetrics head;              ///< (?, r, t)
  std::uint64_t candidates = 0;  ///< entities that every target was ranked among, before the filter
  std::string rank_digest;       ///< XXH3-128 of all (n_greater, n_equal) in part order: equal ranks, equal digest
  double seconds = 0;
  /// The headline: MRR of both directions, realistic tie rule. 0 when there is no query.
  [[nodiscard]] double mrr() const { return all[TieRule::kRealistic].mrr; }
  [[nodiscard]] std::uint64_t triples() const { return tail.queries; }
};

/// How one query came out.
struct RankedQuery {
  EntityId source;              ///< global
  EntityId target;              ///< global
  RelationId relation;          ///< directed
  std::uint32_t n_greater = 0;  ///< candidates above the target, known answers left out
  std::uint32_t n_equal = 0;    ///< candidates level with the target, known answers and the target itself left out
  bool unseen = false;          ///< source or target is in no training triple
};

/// Sums over queries, in double and in the order in which they are added.
class MetricsSum {
 public:
  explicit MetricsSum(std::uint64_t relation_count) : relation_count_(relation_count) {}
  void add(const RankedQuery& query);
  /// The means so far; rank_digest, candidates and seconds are the caller's.
  [[nodiscard]] Metrics mean() const;

 private:
  std::uint64_t relation_count_;
  SideMetrics tail_;
  SideMetrics head_;
  SideMetrics all_;
};

}  // namespace tessera::evaluate
