// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

#include <numeric>

// Statistics and Targets: from the tiles of a softmax to losses and weights.
namespace tessera::kernels::testing {
namespace {

class KernelsStatistics : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsStatistics);

// Scores of 6 queries against 150 rows in two parts; query i has 1 + i % 3 targets.
struct Softmax150 {
  static constexpr std::size_t kQueries = 6;
  static constexpr std::size_t kRows = 150;
  static constexpr std::size_t kTile = 32;
  Grid scores = random_grid(kQueries, kRows, 1);
  std::vector<std::uint32_t> first_target{0};
  std::vector<std::uint32_t> target_query;
  std::vector<std::uint32_t> target_row;
  Softmax150() {
    for (std::uint32_t i = 0; i < kQueries; ++i) {
      for (std::uint32_t k = 0; k <= i % 3; ++k) {
        target_query.push_back(i);
        target_row.push_back((17 * i + 71 * k) % kRows);
      }
      first_target.push_back(static_cast<std::uint32_t>(target_query.size()));
    }
  }
  [[nodiscard]] long double log_sum(std::size_t i) const {
    long double sum = 0;
    for (std::size_t j = 0; j < kRows; ++j) sum += std::exp(static_cast<long double>(scores.at(i, j)));
    return std::log(sum);
  }
};

/// A part of the candidates as a step treats it.
struct Part {
  Part(const Backend& backend, const Softmax150& in, std::size_t first, std::size_t count)
      : begin(first), values(Softmax150::kQueries, count), maximum_of_part(Softmax150::kQueries) {
    const std::size_t tiles = (count + Softmax150::kTile - 1) / Softmax150::kTile;
    for (std::size_t i = 0; i < Softmax150::kQueries; ++i)
      for (std::size_t j = 0; j < count; ++j) values.at(i, j) = in.scores.at(i, first + j);
    maxima = Grid(Softmax150::kQueries, tiles);
    sums = Grid(Softmax150::kQueries, tiles);
    Grid unused(Softmax150::kQueries, 1);
    backend.softmax.exponentials(values.view(), Softmax150::kTile, maxima.view(), sums.view());
    backend.softmax.exponentials(maxima.view(), tiles, {maximum_of_part.data(), Softmax150::kQueries, 1, 1},
                                 unused.view());
    statistics.resize(Softmax150::kQueries);
    backend.statistics.of_part(maxima.view(), sums.view(), maximum_of_part, 0, statistics);
  }
  std::size_t begin;
  Grid values;
  Grid maxima{0, 0};
  Grid sums{0, 0};
  std::vector<float> maximum_of_part;
  std::vector<Statistic> statistics;
};

TEST_P(KernelsStatistics, AreASoftmaxOverPartsAndTiles) {
  const Softmax150 in;
  const Part parts[] = {{backend(), in, 0, 70}, {backend(), in, 70, 80}};
  std::vector<Statistic> all = parts[0].statistics;
  backend().statistics.merge(parts[1].statistics, all);
  std::vector<float> target_scores(in.target_query.size(), kNan);
  std::vector<std::uint32_t> places(target_scores.size());
  std::iota(places.begin(), places.end(), 0U);
  backend().targets.read(in.scores.view(), {in.target_query, in.target_row}, places, target_scores);
  constexpr float kScale = 0.125F;
  std::vector<LossTerms> terms(Softmax150::kQueries);
  std::vector<float> target_weights(target_scores.size(), kNan);
  backend().statistics.terms(SoftmaxLoss{kScale, true}, all, {target_scores, in.first_target, target_weights}, terms);
  std::vector<LossSum> sum{{10, LossSum::kNone}};
  backend().statistics.add_losses(terms, 3, sum);
  long double total = 10;
  for (std::size_t i = 0; i < Softmax150::kQueries; ++i) {
    long double loss = 0;
    for (std::uint32_t e = in.first_target[i]; e < in.first_target[i + 1]; ++e) {
      EXPECT_EQ(target_scores[e], in.scores.at(i, in.target_row[e]));
      EXPECT_EQ(target_weights[e], -kScale);
      loss += in.log_sum(i) - in.scores.at(i, in.target_row[e]);
    }
    EXPECT_NEAR(terms[i].loss, static_cast<double>(loss), 1e-5);
    total += loss;
  }
  EXPECT_NEAR(sum[0].sum, static_cast<double>(total), 1e-4);
  EXPECT_EQ(sum[0].bad_step, LossSum::kNone);
  for (const Part& part : parts) {
    Grid factors(part.maxima.cols(), Softmax150::kQueries, 1, kNan);
    backend().statistics.factors(part.maxima.view(), part.maximum_of_part, 0, terms, factors.view());
    for (std::size_t i = 0; i < Softmax150::kQueries; ++i)
      for (std::size_t j = 0; j < part.values.cols(); ++j) {
        const auto targets = static_cast<double>(in.first_target[i + 1] - in.first_target[i]);
        const double weight =
            kScale * targets *
            static_cast<double>(std::exp(static_cast<long double>(in.scores.at(i, part.begin + j)) - in.log_sum(i)));
        EXPECT_NEAR(factors.at(j / Softmax150::kTile, i) * part.values.at(i, j), weight, 1e-6);
      }
  }
}

// Sampled: the target counts besides the candidates, each of which stands for several rows.
TEST_P(KernelsStatistics, SampledByHand) {
  const std::vector<Statistic> all{{std::log(4.0) + 1, 3},
                                   {0, 1}};  // 3 candidates of score 1 for 4 rows each; one of 0
  const std::vector<float> targets{2.0F, 800.0F};
  const std::vector<std::uint32_t> first{0, 1, 2};
  std::vector<LossTerms> terms(2);
  std::vector<float> weights(2);
  backend().statistics.terms(SoftmaxLoss{0.5F, false}, all, {targets, first, weights}, terms);
  const double others = 12 * std::exp(1.0);
  const double total = others + std::exp(2.0);
  EXPECT_NEAR(terms[0].loss, std::log(total) - 2, 1e-12);
  EXPECT_NEAR(weights[0], -0.5 * others / total, 1e-7);
  EXPECT_NEAR(terms[0].factor(1.0F, static_cast<float>(std::log(4.0))), 0.5 * 4 * std::exp(1.0) / total, 1e-6);
  EXPECT_EQ(terms[1].loss, 0.0);  // a target far above the rest
  EXPECT_EQ(weights[1], 0.0F);
}

// Binary cross entropy of 6 queries against 150 rows, in two parts and in tiles.
TEST_P(KernelsStatistics, AreABinaryCrossEntropyOverPartsAndTiles) {
  const Softmax150 in;
  std::vector<Statistic> of_part[2];
  for (const std::size_t p : {0, 1}) {
    Grid values(Softmax150::kQueries, p == 0 ? 70 : 80);
    for (std::size_t i = 0; i < Softmax150::kQueries; ++i)
      for (std::size_t j = 0; j < values.cols(); ++j) values.at(i, j) = in.scores.at(i, 70 * p + j);
    Grid softplus(Softmax150::kQueries, 3, 1);
    Grid sums(Softmax150::kQueries, 3, 2);
    backend().softmax.logistic(values.view(), Softmax150::kTile, 0, softplus.view(), sums.view());
    of_part[p].resize(Softmax150::kQueries);
    backend().statistics.of_part(softplus.view(), sums.view(), of_part[p]);
  }
  backend().statistics.add(of_part[1], of_part[0]);
  std::vector<float> target_scores;
  for (std::size_t e = 0; e < in.target_row.size(); ++e)
    target_scores.push_back(in.scores.at(in.target_query[e], in.target_row[e]));
  constexpr double kSmoothing = 0.125;
  const BinaryLoss of{0.25F, kSmoothing, static_cast<float>(kSmoothing / Softmax150::kRows)};
  std::vector<LossTerms> terms(Softmax150::kQueries);
  std::vector<float> weights(target_scores.size(), kNan);
  backend().statistics.terms(of, of_part[0], {target_scores, in.first_target, weights}, terms);
  for (std::size_t i = 0; i < Softmax150::kQueries; ++i) {
    std::vector<long double> labels(Softmax150::kRows, kSmoothing / Softmax150::kRows);
    for (std::uint32_t e = in.first_target[i]; e < in.first_target[i + 1]; ++e) {
      labels[in.target_row[e]] += 1 - kSmoothing;
      EXPECT_EQ(weights[e], -0.25F * 0.875F);
    }
    long double loss = 0;
    for (std::size_t j = 0; j < Softmax150::kRows; ++j) {
      const long double p = 1 / (1 + std::exp(-static_cast<long double>(in.scores.at(i, j))));
      loss -= labels[j] * std::log(p) + (1 - labels[j]) * std::log(1 - p);
    }
    EXPECT_NEAR(terms[i].loss, static_cast<double>(loss), 1e-4);
  }
}

// 40 tiles: lane 0 takes tiles 0, 16 and 32, and so on; then lanes are added as a tree.
TEST_P(KernelsStatistics, TilesAreAddedInLanes) {
  Grid first(2, 40, 1, 1.0F);
  Grid second(2, 40, 2, 1.0F);
  first.at(0, 0) = 1e20F;    // swallows tile 16,
  first.at(0, 32) = -1e20F;  // and is gone again
  first.at(1, 3) = 1e20F;    // swallows tiles 19 and 35,
  first.at(1, 11) = -1e20F;  // and then tile 27 is lost with it
  std::vector<Statistic> sums(2);
  backend().statistics.of_part(first.view(), second.view(), sums);
  EXPECT_EQ(sums[0].first, 37.0);
  EXPECT_EQ(sums[1].first, 35.0);
  EXPECT_EQ(sums[1].second, 40.0);
  const std::vector<float> maxima{3, 4};
  backend().statistics.of_part(first.view(), second.view(), maxima, 0.5F, sums);
  EXPECT_EQ(sums[0].second, 37.0);
  EXPECT_EQ(sums[1].second, 35.0);
  EXPECT_EQ(sums[1].first, 4.5);
}

TEST_P(KernelsStatistics, LossesAreAddedInLanesAndTheFirstBadStepIsKept) {
  std::vector<float> losses(600, 0.0F);
  losses[0] = 1e20F;
  losses[256] = 1.0F;  // of the same lane: lost
  losses[512] = -1e20F;
  losses[299] = 3.0F;
  losses[1] = 4.0F;
  std::vector<LossSum> sum{LossSum{}};
  backend().statistics.add_losses(1, losses, 1, sum);
  EXPECT_EQ(sum[0].sum, 7.0);
  EXPECT_EQ(sum[0].bad_step, LossSum::kNone);
  losses[130] = kNan;
  backend().statistics.add_losses(2, losses, 5, sum);
  losses[130] = kInfinity;
  backend().statistics.add_losses(1, losses, 6, sum);
  EXPECT_EQ(sum[0].bad_step, 5U);
  losses[131] = -kInfinity;  // what becomes of both is no number either
  std::vector<LossSum> both{LossSum{}};
  backend().statistics.add_losses(1, losses, 2, both);
  EXPECT_EQ(both[0].bad_step, 2U);
  std::vector<LossSum> untouched{{7, LossSum::kNone}};
  backend().statistics.add_losses(1, std::span<const float>(), 6, untouched);
  EXPECT_EQ(untouched[0].sum, 7.0);
  EXPECT_EQ(untouched[0].bad_step, LossSum::kNone);
}

#ifndef TESSERA_CONTRACT_ON_DEVICE  // where exp and log have another last bit
TEST_P(KernelsStatistics, EachLossIsAddedAndTheFirstBadStepIsKept) {
  for (const std::size_t count : {0, 1, 255, 256, 257, 700}) {
    std::vector<float> losses = random_vector(count, 3);
    if (count > 256) losses[256] = 1e17F;  // of what comes after it, the last bits are lost
    std::vector<LossSum> sum{{0.3, LossSum::kNone}};
    double expected = 0.3;
    for (const float loss : losses) expected += static_cast<double>(loss);
    backend().statistics.add_each_loss(losses, 1, sum);
    EXPECT_EQ(sum[0].sum, expected);
    EXPECT_EQ(sum[0].bad_step, LossSum::kNone);
    if (count == 0) continue;
    losses[count / 2] = kNan;
    backend().statistics.add_each_loss(losses, 5, sum);
    backend().statistics.add_each_loss(losses, 6, sum);
    EXPECT_EQ(sum[0].bad_step, 5U);
  }
}

TEST_P(KernelsStatistics, HaveTheBitsOfTheReference) {
  const Softmax150 in;
  const Part part(cpu_backend(), in, 0, 150);
  std::vector<float> target_scores(in.target_query.size(), 0.5F);
  std::vector<LossTerms> terms[2];
  Grid factors[2] = {Grid(part.maxima.cols(), 6), Grid(part.maxima.cols(), 6)};
  std::vector<LossSum> sums[2];
  for (const std::size_t k : {0, 1}) {
    const Statistics& by = k == 0 ? reference_backend().statistics : backend().statistics;
    std::vector<Statistic> all(6);
    by.of_part(part.maxima.view(), part.sums.view(), part.maximum_of_part, 1.5F, all);
    by.merge(part.statistics, all);
    terms[k].resize(6);
    std::vector<float> weights(target_scores.size());
    by.terms(SoftmaxLoss{0.25F, false}, all, {target_scores, in.first_target, weights}, terms[k]);
    by.factors(part.maxima.view(), part.maximum_of_part, 1.5F, terms[k], factors[k].view());
    sums[k].resize(1);
    by.add_losses(terms[k], 1, sums[k]);
  }
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(terms[0][i].loss, terms[1][i].loss);
    EXPECT_EQ(terms[0][i].target_weight, terms[1][i].target_weight);
  }
  EXPECT_TRUE(same_bits(factors[0], factors[1]));
  EXPECT_EQ(sums[0][0].sum, sums[1][0].sum);
}

TEST_P(KernelsStatistics, OfManyTargetsHaveTheBitsOfTheReference) {
  const std::vector<std::uint32_t> first{0, 0, 1, 17, 18, 118, 151, 400};
  const std::vector<float> scores = random_vector(400, 9);
  std::vector<Statistic> all;
  for (std::size_t i = 0; i < 7; ++i) all.push_back({0.5 * static_cast<double>(i), 20});
  for (const double smoothing : {0.0, 0.3}) {
    std::vector<LossTerms> terms[2];
    std::vector<float> weights[2];
    for (const std::size_t k : {0, 1}) {
      const Statistics& by = k == 0 ? reference_backend().statistics : backend().statistics;
      terms[k].resize(7);
      weights[k].assign(400, kNan);
      if (smoothing == 0)
        by.terms(SoftmaxLoss{0.25F, true}, all, {scores, first, weights[k]}, terms[k]);
      else
        by.terms(BinaryLoss{0.25F, smoothing, 0.01F}, all, {scores, first, weights[k]}, terms[k]);
    }
    for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(terms[0][i].loss, terms[1][i].loss) << i;
    EXPECT_TRUE(same_bits(weights[0], weights[1]));
  }
}

TEST_P(KernelsStatistics, OfManyTilesHaveTheBitsOfTheReference) {
  for (const std::size_t tiles : {1, 7, 16, 33, 100}) {
    const Grid first = random_grid(11, tiles, 5, 1);
    const Grid second = random_grid(11, tiles, 6, 2);
    const std::vector<float> maxima = random_vector(11, 7);
    std::vector<Statistic> sums[2] = {std::vector<Statistic>(11), std::vector<Statistic>(11)};
    std::vector<Statistic> powers[2] = {std::vector<Statistic>(11), std::vector<Statistic>(11)};
    std::vector<LossSum> losses[2] = {std::vector<LossSum>(1), std::vector<LossSum>(1)};
    for (const std::size_t k : {0, 1}) {
      const Statistics& by = k == 0 ? reference_backend().statistics : backend().statistics;
      by.of_part(first.view(), second.view(), sums[k]);
      by.of_part(first.view(), second.view(), maxima, 0.25F, powers[k]);
      by.add(powers[k], sums[k]);
      by.add_losses(1.5, random_vector(97 * tiles, 8), 1, losses[k]);
    }
    for (std::size_t i = 0; i < 11; ++i) {
      EXPECT_EQ(sums[0][i].first, sums[1][i].first);
      EXPECT_EQ(sums[0][i].second, sums[1][i].second);
      EXPECT_EQ(powers[0][i].second, powers[1][i].second);
    }
    EXPECT_EQ(losses[0][0].sum, losses[1][0].sum);
  }
}
#endif

class KernelsTargets : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsTargets);

TEST_P(KernelsTargets, CellsAreReadWrittenAndFilled) {
  const Grid before = random_grid(5, 9, 1, 2);
  Grid scores = before;
  const std::vector<std::uint32_t> rows{4, 0, 2, 2};
  const std::vector<std::uint32_t> cols{8, 3, 0, 7};
  const std::vector<std::uint32_t> places{2, 0, 5, 1};
  std::vector<float> out(6, -7.0F);
  backend().targets.read(scores.view(), {rows, cols}, places, out);
  EXPECT_EQ(out, (std::vector<float>{before.at(0, 3), before.at(2, 7), before.at(4, 8), -7, -7, before.at(2, 0)}));
  Grid expected = before;
  const std::vector<float> values{1, 2, 3, 4};
  for (std::size_t k = 0; k < 4; ++k) expected.at(rows[k], cols[k]) = values[k];
  backend().targets.write(values, {rows, cols}, scores.view());
  EXPECT_TRUE(same_bits(scores, expected) && scores.gaps_intact());
  const std::vector<std::uint32_t> filled{1, 3};
  const std::vector<std::uint32_t> first{0, 2};
  const std::vector<std::uint32_t> end{2, 2};  // two columns of row 1, none of row 3
  expected.at(1, 8) = expected.at(1, 3) = -kInfinity;
  backend().targets.fill(-kInfinity, {filled, first, end, cols}, scores.view());
  EXPECT_TRUE(same_bits(scores, expected) && scores.gaps_intact());
  // Of columns 4 .. 8 alone: column 3 is outside.
  expected.at(1, 8) = 5;
  backend().targets.fill(5, {filled, first, end, cols, 4}, scores.view().columns(4, 5));
  EXPECT_TRUE(same_bits(scores, expected) && scores.gaps_intact());
}

TEST_P(KernelsTargets, ScoresHaveTheBitsOfPairs) {
  for (const std::size_t dim : {1, 16, 33, 100}) {
    const Grid queries = random_grid(4, dim, 1, 1);
    const Grid table = random_grid(8, dim, 2, 3);
    const std::vector<std::uint32_t> rows{3, 0, 1};
    const std::vector<std::uint32_t> cols{7, 7, 2};
    const std::vector<std::uint32_t> places{1, 2, 0};
    std::vector<float> out(3);
    backend().targets.score(queries.view(), table.view(), {rows, cols}, places, out);
    for (std::size_t k = 0; k < 3; ++k) {
      std::vector<float> expected(1);
      reference_backend().scores.pairs(Similarity::kDot, queries.view().block(rows[k], 1),
                                       table.view().block(cols[k], 1), expected);
      EXPECT_EQ(bits(out[places[k]]), bits(expected[0]));
    }
  }
}

TEST_P(KernelsTargets, WeightedRowsAreAddedInOrder) {
  for (const std::size_t width : {1, 16, 50})
    for (const bool has_extra : {false, true}) {
      const Grid table = random_grid(6, width, 1, 2);
      const Grid extra = random_grid(5, width, 2, 1);
      const std::vector<float> weights = random_vector(4, 3);
      const std::vector<std::uint32_t> weight_of{3, 3, 0, 1, 2};
      const std::vector<std::uint32_t> row_of{5, 0, 0, 2, 1};
      const std::vector<std::uint32_t> offsets{0, 3, 3, 5};
      const std::vector<std::uint32_t> positions{4, 0, 2, 3, 1};
      const std::vector<std::uint32_t> to{2, 0, 3};
      const Grid before = random_grid(4, width, 4, 3);
      Grid out = before;
      WeightedRows weighted{weights, weight_of, table.view(), row_of, {}};
      if (has_extra) weighted.extra = extra.view();
      backend().targets.add_weighted(weighted, {offsets, positions}, out.view(), to);
      Grid expected = before;
      for (std::size_t u = 0; u < 3; ++u)
        for (std::uint32_t k = offsets[u]; k < offsets[u + 1]; ++k)
          for (std::size_t c = 0; c < width; ++c) {
            const std::uint32_t position = positions[k];
            expected.at(to[u], c) += weights[weight_of[position]] * table.at(row_of[position], c);
            if (has_extra) expected.at(to[u], c) += extra.at(position, c);
          }
      EXPECT_TRUE(same_bits(out, expected) && out.gaps_intact());
    }
}

TEST_P(KernelsTargets, WhatLiesOutsideIsRefused) {
  Grid scores(3, 4);
  std::vector<float> one(1);
  const std::vector<std::uint32_t> zero{0};
  const std::vector<std::uint32_t> three{3};
  const std::vector<std::uint32_t> four{4};
  const std::vector<std::uint32_t> none;
  EXPECT_ANY_THROW(backend().targets.read(scores.view(), {three, zero}, zero, one));
  EXPECT_ANY_THROW(backend().targets.read(scores.view(), {zero, four}, zero, one));
  EXPECT_ANY_THROW(backend().targets.read(scores.view(), {zero, zero}, three, one));
  EXPECT_ANY_THROW(backend().targets.write(one, {zero, none}, scores.view()));
  const std::vector<std::uint32_t> ones{1};
  EXPECT_ANY_THROW(backend().targets.fill(0, {three, zero, ones, zero}, scores.view()));
  EXPECT_ANY_THROW(backend().targets.fill(0, {zero, zero, four, zero}, scores.view()));
  EXPECT_ANY_THROW(backend().targets.score(scores.view(), scores.view(), {zero, three}, zero, one));
  const std::vector<std::uint32_t> offsets{0, 1};
  EXPECT_ANY_THROW(
      backend().targets.add_weighted({one, zero, scores.view(), three, {}}, {offsets, zero}, scores.view(), zero));
  EXPECT_ANY_THROW(
      backend().targets.add_weighted({one, zero, scores.view(), zero, {}}, {offsets, zero}, scores.view(), three));
}

}  // namespace
}  // namespace tessera::kernels::testing
