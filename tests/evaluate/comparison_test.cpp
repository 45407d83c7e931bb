// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/comparison.hpp"

#include "core/random.hpp"
#include "evaluate/detail/triple_hash.hpp"
#include "evaluate/group_intervals.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace tessera::evaluate {
namespace {

/// Both queries of some made-up triples; ranks are drawn by `seed`, and made better by `gain` where that is above 1.
StoredEvaluation made_up(std::uint64_t triples, std::uint64_t seed, std::uint32_t gain = 1) {
  StoredEvaluation out;
  out.file = "made_up_" + std::to_string(seed);
  out.model = "complex";
  out.split = "test";
  out.filter = "train, valid, test";
  out.candidate_set = "all entities";
  out.graph_digest = "abc";
  const RandomStream stream(seed, Purpose::kInit);
  for (std::uint64_t i = 0; i < triples; ++i) {
    for (std::uint8_t side = 0; side < 2; ++side) {
      out.queries.push_back({i, 3, i + 1, side, 50});
      out.ranks.push_back(1 + static_cast<double>(stream.below(2 * i + side, 40)) / gain);
    }
  }
  return out;
}

/// The differences of MRR in every resample, one by one from the definition.
std::vector<double> by_hand(const StoredEvaluation& first, const StoredEvaluation& second, BootstrapOptions options) {
  std::vector<double> out;
  for (std::uint64_t resample = 0; resample < options.resamples; ++resample) {
    double count = 0;
    double before = 0;
    double after = 0;
    for (std::size_t i = 0; i < first.queries.size(); ++i) {
      const StoredQuery& query = first.queries[i];
      const auto triple = detail::triple_hash(EntityId(query.head), RelationId(query.relation), EntityId(query.tail),
                                              std::numeric_limits<std::uint64_t>::max());
      const auto counts = Bootstrap::draw(Bootstrap::stream_of(options.seed, triple), resample / 8);
      count += counts.at(resample % 8);
      before += counts.at(resample % 8) / first.ranks[i];
      after += counts.at(resample % 8) / second.ranks[i];
    }
    out.push_back((after - before) / count);
  }
  return out;
}

TEST(ComparisonTest, EqualsResamplingByHand) {
  constexpr BootstrapOptions kOptions{.resamples = 41, .seed = 5};  // not a multiple of eight
  const StoredEvaluation first = made_up(30, 1);
  const StoredEvaluation second = made_up(30, 2);
  std::vector<double> expected = by_hand(first, second, kOptions);
  const auto above =
      static_cast<double>(std::count_if(expected.begin(), expected.end(), [](double d) { return d > 0; }));
  std::sort(expected.begin(), expected.end());
  const Comparison comparison = compare(first, second, kOptions, 2);
  EXPECT_EQ(comparison.triples, 30U);
  EXPECT_EQ(comparison.queries, 60U);
  EXPECT_NEAR(comparison.difference.low, expected.at(1), 1e-14);  // place 0.025 * 40
  EXPECT_NEAR(comparison.difference.high, expected.at(39), 1e-14);
  EXPECT_DOUBLE_EQ(comparison.share_second_better, above / 41);
  EXPECT_DOUBLE_EQ(comparison.p_value, 2 * (std::min(above, 41 - above) + 1) / 42);
}

TEST(ComparisonTest, HandValuesOfTheMeans) {
  StoredEvaluation first = made_up(2, 1);
  StoredEvaluation second = first;
  first.ranks = {1, 2, 4, 8};
  second.ranks = {2, 2, 2, 4};
  const Comparison comparison = compare(first, second, {.resamples = 0}, 1);
  EXPECT_DOUBLE_EQ(comparison.first_mrr, (1 + 0.5 + 0.25 + 0.125) / 4);
  EXPECT_DOUBLE_EQ(comparison.second_mrr, (0.5 + 0.5 + 0.5 + 0.25) / 4);
  EXPECT_EQ(comparison.better, 2U);
  EXPECT_EQ(comparison.worse, 1U);
  EXPECT_EQ(comparison.difference, Interval{});
}

TEST(ComparisonTest, ThreadsChangeNoBit) {
  const StoredEvaluation first = made_up(200, 1);
  const StoredEvaluation second = made_up(200, 2);
  const Comparison expected = compare(first, second, {}, 1);
  EXPECT_EQ(compare(first, second, {}, 3).difference, expected.difference);
  EXPECT_NE(compare(first, second, {.seed = 2}, 3).difference, expected.difference);
}

// The error of a mean of independent differences is known; pairs that differ alike by chance only cancel out.
TEST(ComparisonTest, ErrorIsThatOfTheMeanDifferenceByTriple) {
  const StoredEvaluation first = made_up(3000, 1);
  const StoredEvaluation second = made_up(3000, 2);
  double mean = 0;
  double squares = 0;
  for (std::size_t i = 0; i < first.ranks.size(); i += 2) {
    double difference = 0;
    for (std::size_t k = i; k < i + 2; ++k) difference += (1 / second.ranks[k] - 1 / first.ranks[k]) / 2;
    mean += difference / 3000;
    squares += difference * difference / 3000;
  }
  const double expected = std::sqrt((squares - mean * mean) / 3000);
  const Comparison comparison = compare(first, second, {.resamples = 4000}, 2);
  EXPECT_NEAR(comparison.difference.standard_error, expected, 0.05 * expected);
  EXPECT_NEAR(comparison.second_mrr - comparison.first_mrr, mean, 1e-12);
  EXPECT_NEAR(comparison.difference.high - comparison.difference.low, 2 * 1.96 * expected, 0.3 * expected);
}

TEST(ComparisonTest, SaysWhichIsBetter) {
  const Comparison better = compare(made_up(500, 1), made_up(500, 1, 2), {}, 1);
  EXPECT_GT(better.difference.low, 0);
  EXPECT_EQ(better.share_second_better, 1);
  EXPECT_DOUBLE_EQ(better.p_value, 2.0 / 1001);
  const Comparison worse = compare(made_up(500, 1, 2), made_up(500, 1), {}, 1);
  EXPECT_EQ(worse.difference.high, -better.difference.low);
  EXPECT_EQ(worse.share_second_better, 0);
  const Comparison equal = compare(made_up(500, 1), made_up(500, 1), {}, 1);
  EXPECT_EQ(equal.difference, Interval{});
  EXPECT_EQ(equal.share_second_better, 0.5);
  EXPECT_EQ(equal.p_value, 1);
}

TEST(ComparisonTest, OnlyTheSameQueriesAreCompared) {
  const auto refuse = [](const char* word, const auto& change) {
    StoredEvaluation other = made_up(10, 2);
    change(other);
    test::expect_error(ExitStatus::kUsage, {"made_up_1", "made_up_2", "cannot be compared", word},
                       [&] { (void)compare(made_up(10, 1), other, {}, 1); });
  };
  refuse("graphs", [](StoredEvaluation& other) { other.graph_digest = "def"; });
  refuse("splits", [](StoredEvaluation& other) { other.split = "valid"; });
  refuse("filters", [](StoredEvaluation& other) { other.filter = "train, valid"; });
  refuse("candidates", [](StoredEvaluation& other) { other.candidate_set = "listed"; });
  refuse("lists", [](StoredEvaluation& other) { other.candidate_digest = "1"; });
  refuse("samples", [](StoredEvaluation& other) { other.max_triples = 5; });
  refuse("numbers", [](StoredEvaluation& other) { other.queries.pop_back(); });
  refuse("different queries", [](StoredEvaluation& other) { other.queries.back().tail = 99; });
  refuse("different candidates", [](StoredEvaluation& other) { other.queries.back().candidates = 49; });
}

TEST(ComparisonTest, ReportSaysEverything) {
  const StoredEvaluation first = made_up(10, 1);
  const StoredEvaluation second = made_up(10, 2);
  const BootstrapOptions options{.resamples = 100};
  const Comparison comparison = compare(first, second, options, 1);
  const std::string text = to_text(comparison, first, second, options);
  for (const char* words : {"10 test triples, 20 queries", "made_up_1", "made_up_2", "B - A: ", "95 % interval",
                            "100 bootstrap resamples", "two-sided p"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  EXPECT_EQ(to_text(comparison, first, second, {.resamples = 0}).find("interval"), std::string::npos);
  EXPECT_NE(to_json(comparison, first, second, options).find("\"p_value\""), std::string::npos);
}

/// 1 / rank of every query.
std::vector<double> reciprocals(const StoredEvaluation& evaluation) {
  std::vector<double> out;
  for (const double rank : evaluation.ranks) out.push_back(1 / rank);
  return out;
}

/// The interval of some queries, by their own resampling.
Interval interval_alone(const StoredEvaluation& evaluation, std::size_t first, std::size_t end) {
  StoredEvaluation nothing = evaluation;
  nothing.ranks.assign(nothing.ranks.size(), std::numeric_limits<double>::infinity());
  StoredEvaluation some = evaluation;
  for (StoredEvaluation* part : {&nothing, &some}) {
    part->queries = {part->queries.begin() + static_cast<std::ptrdiff_t>(first),
                     part->queries.begin() + static_cast<std::ptrdiff_t>(end)};
    part->ranks = {part->ranks.begin() + static_cast<std::ptrdiff_t>(first),
                   part->ranks.begin() + static_cast<std::ptrdiff_t>(end)};
  }
  return interval_of(by_hand(nothing, some, {.resamples = 100, .seed = 1}));
}

TEST(GroupMeansTest, AGroupHasTheIntervalOfItsTriplesAlone) {
  const StoredEvaluation evaluation = made_up(40, 1);
  std::vector<std::uint32_t> groups(80, 0);
  std::fill(groups.begin() + 50, groups.end(), 1);
  groups.back() = kNoGroup;
  groups[78] = kNoGroup;
  const std::vector<double> values = reciprocals(evaluation);
  const auto means = group_means({evaluation.queries, values, groups, 3}, {.resamples = 100, .seed = 1}, 2);
  ASSERT_EQ(means.size(), 3U);
  EXPECT_EQ(means[0].queries, 50U);
  EXPECT_EQ(means[1].queries, 28U);
  EXPECT_EQ(means[2].queries, 0U);
  const Interval first = interval_alone(evaluation, 0, 50);
  EXPECT_NEAR(means[0].interval.low, first.low, 1e-12);
  EXPECT_NEAR(means[0].interval.high, first.high, 1e-12);
  EXPECT_NEAR(means[1].interval.standard_error, interval_alone(evaluation, 50, 78).standard_error, 1e-12);
}

TEST(GroupMeansTest, ResamplesWithoutATripleOfTheGroupCountForNothing) {
  const StoredEvaluation evaluation = made_up(1, 1);
  const std::vector<double> values = reciprocals(evaluation);
  const std::vector<std::uint32_t> groups(2, 0);
  const GroupMean group =
      group_means({evaluation.queries, values, groups, 1}, {.resamples = 100, .seed = 1}, 1).front();
  EXPECT_DOUBLE_EQ(group.interval.low, group.mean);
  EXPECT_DOUBLE_EQ(group.interval.high, group.mean);
}

}  // namespace
}  // namespace tessera::evaluate
