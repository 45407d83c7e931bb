// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/bootstrap.hpp"

#include "core/parallel.hpp"
#include "core/random.hpp"
#include "evaluate/detail/triple_hash.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace tessera::evaluate {
namespace {

constexpr std::size_t kPerDraw = 8;  // resamples per call of the generator: 16 bits each
constexpr std::size_t kTaskGroups = 16;
constexpr double kUnit = 0x1.0p32;

/// Poisson(1) by inversion of 16-bit uniforms.
std::array<std::uint8_t, 65536> poisson_table() {
  std::array<std::uint8_t, 65536> table{};
  double probability = 0.36787944117144233;  // 1 / e: of 0
  double below = probability;
  std::uint8_t value = 0;
  for (std::size_t u = 0; u < table.size(); ++u) {
    while ((static_cast<double>(u) + 0.5) / static_cast<double>(table.size()) > below) {
      probability /= ++value;
      below += probability;
    }
    table.at(u) = value;
  }
  return table;
}

/// The quantile of sorted values, linear between neighbours.
double quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const double share = place - static_cast<double>(low);
  return sorted[low] + share * (sorted[std::min(low + 1, sorted.size() - 1)] - sorted[low]);
}

double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

}  // namespace

Bootstrap::Bootstrap(const search::Ranks& setup, BootstrapOptions options)
    : setup_(setup), options_(options), sums_(2 * ((options.resamples + kPerDraw - 1) / kPerDraw * kPerDraw)) {}

std::uint64_t Bootstrap::stream_of(std::uint64_t seed, std::uint64_t triple) { return mix(seed + triple); }

std::array<std::uint8_t, 8> Bootstrap::draw(std::uint64_t stream, std::uint64_t group) {
  static const std::array<std::uint8_t, 65536> poisson = poisson_table();
  const auto [a, b, c, d] = RandomStream(stream, Purpose::kBootstrap).words(group);
  const auto low = [](std::uint32_t word) { return poisson.at(word & 0xFFFFU); };
  const auto high = [](std::uint32_t word) { return poisson.at(word >> 16U); };
  return {low(a), high(a), low(b), high(b), low(c), high(c), low(d), high(d)};
}

void Bootstrap::add(std::span<const RankedQuery> queries) {
  const auto me = static_cast<std::size_t>(setup_.comm.rank().value());
  const auto ranks = static_cast<std::size_t>(setup_.comm.size());
  const std::uint64_t relations = setup_.shard.manifest.relation_count;
  own_.clear();
  for (std::size_t i = queries.size() * me / ranks; i < queries.size() * (me + 1) / ranks; ++i) {
    const RankedQuery& query = queries[i];
    const std::uint64_t triple = detail::triple_hash(query.source, query.relation, query.target, relations);
    own_.push_back(
        {stream_of(options_.seed, triple), static_cast<std::int64_t>(kUnit / rank_of(query, TieRule::kRealistic))});
  }
  const std::size_t groups = sums_.size() / 2 / kPerDraw;
  parallel_for((groups + kTaskGroups - 1) / kTaskGroups, setup_.host.workers(), [&](std::size_t task) {
    for (std::size_t g = task * kTaskGroups; g < std::min(groups, (task + 1) * kTaskGroups); ++g) add_group(g);
  });
}

void Bootstrap::add_group(std::uint64_t group) {
  std::array<std::int64_t, kPerDraw> counted{};
  std::array<std::int64_t, kPerDraw> reciprocal{};
  for (const Own& own : own_) {
    const std::array<std::uint8_t, kPerDraw> counts = draw(own.stream, group);
    for (std::size_t i = 0; i < kPerDraw; ++i) {
      counted.at(i) += counts.at(i);
      reciprocal.at(i) += counts.at(i) * own.reciprocal_rank;
    }
  }
  for (std::size_t i = 0; i < kPerDraw; ++i) {
    sums_[group * kPerDraw + i] += counted.at(i);
    sums_[sums_.size() / 2 + group * kPerDraw + i] += reciprocal.at(i);
  }
}

Interval Bootstrap::interval() const {
  std::vector<std::int64_t> sums = sums_;
  setup_.comm.all_reduce(sums, comm::Reduction::kSum);
  std::vector<double> means;
  for (std::size_t i = 0; i < options_.resamples; ++i)
    if (sums[i] > 0)
      means.push_back(static_cast<double>(sums[sums.size() / 2 + i]) / kUnit / static_cast<double>(sums[i]));
  return interval_of(std::move(means));
}

Interval interval_of(std::vector<double> means) {
  if (means.empty()) return {};
  std::sort(means.begin(), means.end());
  return {quantile(means, (1 - kConfidence) / 2), quantile(means, (1 + kConfidence) / 2), deviation(means)};
}

}  // namespace tessera::evaluate
