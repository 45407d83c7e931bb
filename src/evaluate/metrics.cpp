// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tessera::evaluate {
namespace {

/// 1 + 1/2 + ... + 1/n: summed while that is short, else Euler's series, whose first term left out is below 1e-15.
double harmonic(std::uint64_t n) {
  constexpr std::uint64_t kSummed = 128;
  double sum = 0;
  if (n <= kSummed) {
    for (std::uint64_t k = n; k > 0; --k) sum += 1 / static_cast<double>(k);
    return sum;
  }
  const double x = 1 / static_cast<double>(n);
  return std::log(static_cast<double>(n)) + std::numbers::egamma + x / 2 - x * x / 12 + x * x * x * x / 120;
}

/// 1 + 1/4 + ... + 1/n^2 for ranks up to n.
double squared_harmonic(std::uint64_t n) {
  constexpr std::uint64_t kSummed = 128;
  double sum = 0;
  if (n <= kSummed) {
    for (std::uint64_t k = n; k > 0; --k) sum += 1 / static_cast<double>(k * k);
    return sum;
  }
  const double x = 1 / static_cast<double>(n);
  return std::numbers::pi * std::numbers::pi / 6 - x + x * x / 2 - x * x * x / 6 + x * x * x * x * x / 30;
}

/// How many deviations a sum is above what it is expected to be.
double z_score(double above_expected, double variance) {
  return variance > 0 ? above_expected / std::sqrt(variance) : 0;
}

/// The standard error of the mean of `count` values with these sums.
double standard_error(double sum, double sum_of_squares, double count) {
  if (count < 2) return 0;
  const double variance = std::max(0.0, sum_of_squares - sum * sum / count) / (count - 1);
  return std::sqrt(variance / count);
}

}  // namespace

const char* name(TieRule rule) {
  constexpr std::array<const char*, 3> kNames = {"optimistic", "realistic", "pessimistic"};
  return kNames.at(static_cast<std::size_t>(rule));
}

double rank_of(const RankedQuery& query, TieRule rule) {
  constexpr std::array<double, 3> kShareOfEqual = {0.0, 0.5, 1.0};
  return 1.0 + query.n_greater + kShareOfEqual.at(static_cast<std::size_t>(rule)) * query.n_equal;
}

double expected_reciprocal_rank(std::uint64_t n) { return harmonic(n) / static_cast<double>(n); }

double reciprocal_rank_variance(std::uint64_t n) {
  const double expected = expected_reciprocal_rank(n);
  return n < 2 ? 0 : squared_harmonic(n) / static_cast<double>(n) - expected * expected;
}

double RankMetrics::hits_at(std::uint32_t k) const {
  return hits.at(static_cast<std::size_t>(std::find(kHitsAt.begin(), kHitsAt.end(), k) - kHitsAt.begin()));
}

std::vector<std::pair<std::string, double>> figures(const RankMetrics& metrics) {
  std::vector<std::pair<std::string, double>> out = {{"mrr", metrics.mrr},
                                                     {"mrr_standard_error", metrics.mrr_standard_error}};
  for (std::size_t i = 0; i < kHitsAt.size(); ++i)
    out.emplace_back(fmt::format("hits_at_{}", kHitsAt.at(i)), metrics.hits.at(i));
  out.emplace_back("mean_rank", metrics.mean_rank);
  out.emplace_back("geometric_mean_rank", metrics.geometric_mean_rank);
  out.emplace_back("adjusted_mrr", metrics.adjusted_mrr);
  out.emplace_back("adjusted_mean_rank_index", metrics.adjusted_mean_rank_index);
  out.emplace_back("z_mrr", metrics.z_mrr);
  out.emplace_back("z_mean_rank", metrics.z_mean_rank);
  return out;
}

void QuerySums::add(const RankedQuery& query) {
  ++queries;
  unseen += query.unseen ? 1 : 0;
  candidates += query.candidates;
  expected_reciprocal += expected_reciprocal_rank(query.candidates);
  const auto n = static_cast<double>(query.candidates);
  rank_variance += (n * n - 1) / 12;
  reciprocal_variance += reciprocal_rank_variance(query.candidates);
}

void QuerySums::add(const QuerySums& other) {
  queries += other.queries;
  unseen += other.unseen;
  candidates += other.candidates;
  expected_reciprocal += other.expected_reciprocal;
  rank_variance += other.rank_variance;
  reciprocal_variance += other.reciprocal_variance;
}

void RankSums::add(double rank_of_query) {
  const double inverse = 1 / rank_of_query;
  rank += rank_of_query;
  log_rank += std::log(rank_of_query);
  reciprocal += inverse;
  reciprocal_squared += inverse * inverse;
  for (std::size_t i = 0; i < hits.size(); ++i) hits.at(i) += rank_of_query <= kHitsAt.at(i) ? 1 : 0;
}

void RankSums::add(const RankSums& other) {
  rank += other.rank;
  log_rank += other.log_rank;
  reciprocal += other.reciprocal;
  reciprocal_squared += other.reciprocal_squared;
  for (std::size_t i = 0; i < hits.size(); ++i) hits.at(i) += other.hits.at(i);
}

RankMetrics RankSums::mean(const QuerySums& queries) const {
  RankMetrics means;
  if (queries.queries == 0) return means;
  const auto count = static_cast<double>(queries.queries);
  means.mrr = reciprocal / count;
  means.mrr_standard_error = standard_error(reciprocal, reciprocal_squared, count);
  for (std::size_t i = 0; i < hits.size(); ++i) means.hits.at(i) = static_cast<double>(hits.at(i)) / count;
  means.mean_rank = rank / count;
  means.geometric_mean_rank = std::exp(log_rank / count);
  if (queries.candidates == queries.queries) return means;  // every target stands alone
  const double expected = queries.expected_reciprocal / count;
  means.adjusted_mrr = (means.mrr - expected) / (1 - expected);
  means.adjusted_mean_rank_index = 1 - (rank - count) / ((static_cast<double>(queries.candidates) - count) / 2);
  means.z_mrr = z_score(reciprocal - queries.expected_reciprocal, queries.reciprocal_variance);
  means.z_mean_rank = z_score((static_cast<double>(queries.candidates) + count) / 2 - rank, queries.rank_variance);
  return means;
}

SideMetrics MetricsSum::Side::mean() const {
  SideMetrics side{queries.queries, queries.unseen, {}};
  for (std::size_t i = 0; i < ranks.size(); ++i) side.by_rule.at(i) = ranks.at(i).mean(queries);
  return side;
}

void MetricsSum::add(const RankedQuery& query) {
  Side& side = query.relation.value() < relation_count_ ? tail_ : head_;
  side.queries.add(query);
  for (const TieRule rule : kTieRules) side.ranks.at(static_cast<std::size_t>(rule)).add(rank_of(query, rule));
}

Metrics MetricsSum::mean() const {
  Side all = tail_;
  all.queries.add(head_.queries);
  for (std::size_t i = 0; i < all.ranks.size(); ++i) all.ranks.at(i).add(head_.ranks.at(i));
  Metrics metrics;
  metrics.all = all.mean();
  metrics.tail = tail_.mean();
  metrics.head = head_.mean();
  if (all.queries.queries > 0)
    metrics.mean_candidates = static_cast<double>(all.queries.candidates) / static_cast<double>(all.queries.queries);
  return metrics;
}

}  // namespace tessera::evaluate
