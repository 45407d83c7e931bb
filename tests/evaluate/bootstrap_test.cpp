// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/bootstrap.hpp"

#include "core/random.hpp"
#include "evaluate/detail/triple_hash.hpp"
#include "evaluate_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace tessera::test {
namespace {

using evaluate::Bootstrap;
using evaluate::Interval;
using evaluate::RankedQuery;

const StoredGraph& shared_graph() {
  static const StoredGraph stored(random_graph({}), 8);
  return stored;
}

/// Both queries of `triples` made-up triples; ranks are drawn.
std::vector<RankedQuery> made_up_queries(std::uint64_t triples) {
  const auto relations = static_cast<std::uint32_t>(shared_graph().graph().relations);
  const RandomStream stream(9, Purpose::kInit);
  std::vector<RankedQuery> queries;
  for (std::uint64_t i = 0; i < triples; ++i) {
    const EntityId head(i);
    const EntityId tail(i + 1);
    const auto rank = [&](std::uint64_t k) { return static_cast<std::uint32_t>(stream.below(k, 20)); };
    queries.push_back({head, tail, RelationId(1), rank(2 * i), 0, 50, 3, false});
    queries.push_back({tail, head, RelationId(1 + relations), rank(2 * i + 1), 1, 50, 3, false});
  }
  return queries;
}

struct BootstrapCase {
  std::int32_t ranks = 1;
  std::size_t threads = 1;
  std::size_t block = 1000;
};

Interval interval_of(const std::vector<RankedQuery>& queries, evaluate::BootstrapOptions options,
                     const BootstrapCase& how = {}) {
  Interval result;
  comm::run_ranks(how.ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(16U << 20U);
    const graph::Shard shard = shared_graph().load(comm.rank(), comm.size(), pool);
    const ModelValues values;
    const model::Parameters parameters(shard, values.job(), model::StateShape::kNone, pool);
    execution::HostExecutor host(pool, kernels::reference_backend(), execution::HostThreads(how.threads));
    const search::Setup setup{{comm, shard, host}, parameters};
    Bootstrap bootstrap(setup, options);
    const std::span<const RankedQuery> all(queries);
    for (std::size_t first = 0; first < all.size(); first += how.block)
      bootstrap.add(all.subspan(first, std::min(how.block, all.size() - first)));
    const Interval interval = bootstrap.interval();
    if (comm.rank() == Rank(how.ranks - 1)) result = interval;
  });
  return result;
}

TEST(BootstrapTest, CountsArePoisson) {
  constexpr std::uint64_t kDraws = 50'000;
  std::vector<double> share(12);
  for (std::uint64_t i = 0; i < kDraws / 8; ++i)
    for (const std::uint8_t count : Bootstrap::draw(Bootstrap::stream_of(3, i % 100), i / 100))
      share.at(count) += 1.0 / static_cast<double>(kDraws);
  double expected = std::exp(-1.0);
  for (std::size_t k = 0; k < 6; ++k) {
    EXPECT_NEAR(share.at(k), expected, 5 * std::sqrt(expected / static_cast<double>(kDraws))) << k;
    expected /= static_cast<double>(k + 1);
  }
}

TEST(BootstrapTest, EqualsResamplingByHand) {
  constexpr std::uint64_t kResamples = 41;  // not a multiple of eight
  constexpr std::uint64_t kSeed = 5;
  const std::vector<RankedQuery> queries = made_up_queries(30);
  const std::uint64_t relations = shared_graph().graph().relations;
  std::vector<double> means;
  for (std::uint64_t resample = 0; resample < kResamples; ++resample) {
    double sum = 0;
    double count = 0;
    for (const RankedQuery& query : queries) {
      const std::uint64_t triple = evaluate::detail::triple_hash(query.source, query.relation, query.target, relations);
      const auto counts = Bootstrap::draw(Bootstrap::stream_of(kSeed, triple), resample / 8);
      sum += counts.at(resample % 8) / (1 + query.n_greater + 0.5 * query.n_equal);
      count += counts.at(resample % 8);
    }
    means.push_back(sum / count);
  }
  std::sort(means.begin(), means.end());
  const Interval interval = interval_of(queries, {.resamples = kResamples, .seed = kSeed});
  EXPECT_NEAR(interval.low, means.at(1), 1e-8);  // place 0.025 * 40
  EXPECT_NEAR(interval.high, means.at(39), 1e-8);
}

TEST(BootstrapTest, BothQueriesOfATripleCountAlike) {
  const std::vector<RankedQuery> queries = made_up_queries(20);
  const std::uint64_t relations = shared_graph().graph().relations;
  for (std::size_t i = 0; i < queries.size(); i += 2) {
    const auto hash = [&](const RankedQuery& query) {
      return evaluate::detail::triple_hash(query.source, query.relation, query.target, relations);
    };
    EXPECT_EQ(hash(queries[i]), hash(queries[i + 1]));
    EXPECT_NE(hash(queries[i]), hash(queries[(i + 2) % queries.size()]));
  }
}

TEST(BootstrapTest, SameBitsOnAnyNumberOfRanksThreadsAndBlocks) {
  const std::vector<RankedQuery> queries = made_up_queries(200);
  const Interval expected = interval_of(queries, {});
  for (const std::int32_t ranks : {1, 2, 3, 7})
    for (const std::size_t threads : {1U, 3U})
      EXPECT_EQ(interval_of(queries, {}, {ranks, threads, 37}), expected) << ranks << " ranks";
  EXPECT_FALSE(interval_of(queries, {.seed = 2}) == expected);
}

TEST(BootstrapTest, ErrorOfIndependentTriplesIsTheStandardOne) {
  std::vector<RankedQuery> queries = made_up_queries(2000);
  evaluate::MetricsSum sum(shared_graph().graph().relations);
  for (const RankedQuery& query : queries) sum.add(query);
  const evaluate::RankMetrics means = sum.mean().all[evaluate::TieRule::kRealistic];
  const Interval interval = interval_of(queries, {});
  EXPECT_NEAR(interval.standard_error, means.mrr_standard_error, 0.1 * means.mrr_standard_error);
  EXPECT_NEAR(interval.high - interval.low, 2 * 1.96 * means.mrr_standard_error, 0.15 * 4 * means.mrr_standard_error);
  EXPECT_LT(interval.low, means.mrr);
  EXPECT_GT(interval.high, means.mrr);
  // Pairs of queries with one fate are worth half as many: the error grows by the root of two.
  for (std::size_t i = 0; i < queries.size(); i += 2) {
    queries[i + 1].n_greater = queries[i].n_greater;
    queries[i + 1].n_equal = queries[i].n_equal;
  }
  evaluate::MetricsSum paired(shared_graph().graph().relations);
  for (const RankedQuery& query : queries) paired.add(query);
  const double naive = paired.mean().all[evaluate::TieRule::kRealistic].mrr_standard_error;
  EXPECT_NEAR(interval_of(queries, {}).standard_error, std::sqrt(2.0) * naive, 0.15 * naive);
}

TEST(BootstrapTest, NothingToResampleGivesZeros) {
  EXPECT_EQ(interval_of({}, {}), Interval{});
  EXPECT_EQ(interval_of(made_up_queries(5), {.resamples = 0}), Interval{});
}

}  // namespace
}  // namespace tessera::test
