// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Relation prediction over more triples than it computes at once, against a plain loop in double precision.

#include "train/relation_prediction.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace tessera::train {
namespace {

constexpr std::size_t kDim = 6;
constexpr float kScale = 0.25F;
constexpr std::array<std::size_t, 3> kTriples = {1300, 0, 5};  // of three parts

struct Expected {
  double loss = 0;
  std::vector<double> relations;
  std::vector<std::vector<double>> sources;
  std::vector<std::vector<double>> targets;
};

// DistMult: the score of relation r is sum_k s[k] r[k] t[k].
Expected plain_loop(std::span<const RelationPrediction::Triple> triples, kernels::ConstMatrix relations) {
  Expected out{0, std::vector<double>(relations.rows * kDim), {}, {}};
  for (const auto& triple : triples) {
    std::vector<double> scores(relations.rows);
    for (std::size_t r = 0; r < relations.rows; ++r)
      for (std::size_t k = 0; k < kDim; ++k)
        scores[r] += double{triple.source[k]} * double{relations.row(r)[k]} * double{triple.target[k]};
    double sum = 0;
    for (const double score : scores) sum += std::exp(score);
    out.loss += std::log(sum) - scores[triple.relation];
    auto& source = out.sources.emplace_back(kDim);
    auto& target = out.targets.emplace_back(kDim);
    for (std::size_t r = 0; r < relations.rows; ++r) {
      const double weight = double{kScale} * (std::exp(scores[r]) / sum - (r == triple.relation ? 1 : 0));
      for (std::size_t k = 0; k < kDim; ++k) {
        out.relations[r * kDim + k] += weight * double{triple.source[k]} * double{triple.target[k]};
        source[k] += weight * double{relations.row(r)[k]} * double{triple.target[k]};
        target[k] += weight * double{relations.row(r)[k]} * double{triple.source[k]};
      }
    }
  }
  return out;
}

TEST(RelationPrediction, ComputesInRoundsWhatAPlainLoopDoes) {
  const test::StoredGraph stored(test::random_graph({.entities = 200, .relations = 40, .train = 900}), 1);
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  Job::Model model{"distmult", kDim, "normal", 0.7};
  model::Parameters parameters(shard, model, model::StateShape::kNone, pool);
  parameters.initialise(model, 3);
  const kernels::ConstMatrix rows = parameters.parts().front().rows;
  const kernels::ConstMatrix relations = parameters.relations();

  std::vector<std::vector<float>> before;
  for (const std::size_t threads : {1, 3}) {
    RelationPrediction prediction(parameters, kTriples.size(), 1400, threads, kernels::cpu_backend(), pool);
    for (int step = 0; step < 2; ++step) {  // nothing of the first is left in the second
      prediction.start(kTriples);
      std::array<double, kTriples.size()> losses{};
      for (std::size_t p = 0; p < kTriples.size(); ++p) {
        const auto triples = prediction.triples(p);
        ASSERT_EQ(triples.size(), kTriples.at(p));
        for (std::uint32_t i = 0; i < triples.size(); ++i)
          triples[i] = {rows.row((7 * i + p) % rows.rows), rows.row((11 * i + 3) % rows.rows),
                        static_cast<std::uint32_t>((5 * i + p) % relations.rows)};
      }
      prediction.compute(kScale, 2.0F, losses);
      for (std::size_t p = 0; p < kTriples.size(); ++p) {
        const Expected expected = plain_loop(prediction.triples(p), relations);
        EXPECT_NEAR(losses.at(p), 2 * expected.loss, 1e-5 * std::max(1.0, expected.loss));
        const kernels::ConstMatrix gradients = prediction.relation_gradients(p);
        for (std::size_t i = 0; i < expected.relations.size(); ++i)
          ASSERT_NEAR(gradients.data[i], expected.relations[i], 1e-4) << "part " << p << ", element " << i;
        for (std::size_t i = 0; i < kTriples.at(p); ++i)
          for (std::size_t k = 0; k < kDim; ++k) {
            ASSERT_NEAR(prediction.source_gradient(p, i)[k], expected.sources[i][k], 1e-5) << "triple " << i;
            ASSERT_NEAR(prediction.target_gradient(p, i)[k], expected.targets[i][k], 1e-5) << "triple " << i;
          }
      }
    }
    const kernels::ConstMatrix gradients = prediction.relation_gradients(0);
    before.emplace_back(gradients.data, gradients.data + gradients.rows * gradients.cols);
  }
  EXPECT_EQ(before.front(), before.back()) << "threads changed bits";
}

// The memory that grows with the triples of a step is that of their own gradients, not of contexts and weights.
TEST(RelationPrediction, MemoryOfContextsIsBounded) {
  const test::StoredGraph stored(test::random_graph({}), 1);
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  const model::Parameters parameters(shard, {"rescal", 16, "normal", 0.5}, model::StateShape::kNone, pool);
  const auto use = [&](std::uint64_t capacity) {
    const std::uint64_t before = pool.used_bytes();
    const RelationPrediction prediction(parameters, 2, capacity, 1, kernels::cpu_backend(), pool);
    return pool.used_bytes() - before;
  };
  const std::uint64_t per_triple = (use(40000) - use(20000)) / 20000;
  EXPECT_LT(per_triple, 256);  // two gradients of 16 floats, a triple, a loss; a context alone would be 1 KiB
}

}  // namespace
}  // namespace tessera::train
