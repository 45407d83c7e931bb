// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/metrics.hpp"

namespace tessera::evaluate {
namespace {

double rank_of(const RankedQuery& query, TieRule rule) {
  constexpr std::array<double, 3> kShareOfEqual = {0.0, 0.5, 1.0};
  return 1.0 + query.n_greater + kShareOfEqual.at(static_cast<std::size_t>(rule)) * query.n_equal;
}

void add_to(SideMetrics& side, const RankedQuery& query) {
  ++side.queries;
  side.unseen += query.unseen ? 1 : 0;
  for (const TieRule rule : kTieRules) {
    RankMetrics& sums = side.by_rule.at(static_cast<std::size_t>(rule));
    const double rank = rank_of(query, rule);
    sums.mrr += 1 / rank;
    sums.hits_at_1 += rank <= 1 ? 1 : 0;
    sums.hits_at_3 += rank <= 3 ? 1 : 0;
    sums.hits_at_10 += rank <= 10 ? 1 : 0;
    sums.mean_rank += rank;
  }
}

SideMetrics mean_of(SideMetrics side) {
  if (side.queries == 0) return side;
  const auto count = static_cast<double>(side.queries);
  for (RankMetrics& sums : side.by_rule)
    for (double* sum : {&sums.mrr, &sums.hits_at_1, &sums.hits_at_3, &sums.hits_at_10, &sums.mean_rank}) *sum /= count;
  return side;
}

}  // namespace

const char* name(TieRule rule) {
  constexpr std::array<const char*, 3> kNames = {"optimistic", "realistic", "pessimistic"};
  return kNames.at(static_cast<std::size_t>(rule));
}

void MetricsSum::add(const RankedQuery& query) {
  add_to(query.relation.value() < relation_count_ ? tail_ : head_, query);
  add_to(all_, query);
}

Metrics MetricsSum::mean() const {
  Metrics metrics;
  metrics.all = mean_of(all_);
  metrics.tail = mean_of(tail_);
  metrics.head = mean_of(head_);
  return metrics;
}

}  // namespace tessera::evaluate
