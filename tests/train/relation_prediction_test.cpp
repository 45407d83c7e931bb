// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Relation prediction over more targets than it computes at once, against a plain loop in double precision.

#include "train/queries/relation_prediction.hpp"
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

using execution::HostThreads;
using execution::Space;

constexpr std::size_t kDim = 6;
constexpr float kScale = 0.25F;
constexpr float kWeight = 2.0F;
constexpr std::size_t kQueries = 190;
constexpr std::array<std::size_t, 3> kTargets = {1300, 0, 5};  // of three parts

/// The targets of one part.
struct PartTargets {
  std::vector<std::uint32_t> query;
  std::vector<std::uint32_t> row;
  std::vector<std::uint32_t> relation;
};

struct Expected {
  double loss = 0;
  std::vector<double> relations;
  std::vector<std::vector<double>> sources;
  std::vector<std::vector<double>> targets;
};

// DistMult: the score of relation r is sum_k s[k] r[k] t[k].
Expected plain_loop(const PartTargets& part, kernels::ConstMatrix sources, kernels::ConstMatrix rows,
                    kernels::ConstMatrix relations) {
  Expected out{0, std::vector<double>(relations.rows * kDim), {}, {}};
  for (std::size_t i = 0; i < part.query.size(); ++i) {
    const float* s = sources.row(part.query[i]);
    const float* t = rows.row(part.row[i]);
    std::vector<double> scores(relations.rows);
    for (std::size_t r = 0; r < relations.rows; ++r)
      for (std::size_t k = 0; k < kDim; ++k) scores[r] += double{s[k]} * double{relations.row(r)[k]} * double{t[k]};
    double sum = 0;
    for (const double score : scores) sum += std::exp(score);
    out.loss += std::log(sum) - scores[part.relation[i]];
    auto& source = out.sources.emplace_back(kDim);
    auto& target = out.targets.emplace_back(kDim);
    for (std::size_t r = 0; r < relations.rows; ++r) {
      const double weight =
          double{kWeight} * double{kScale} * (std::exp(scores[r]) / sum - (r == part.relation[i] ? 1 : 0));
      for (std::size_t k = 0; k < kDim; ++k) {
        out.relations[r * kDim + k] += weight * double{s[k]} * double{t[k]};
        source[k] += weight * double{relations.row(r)[k]} * double{t[k]};
        target[k] += weight * double{relations.row(r)[k]} * double{s[k]};
      }
    }
  }
  return out;
}

StepSizes sizes_of(const model::Parameters& parameters, std::size_t parts, std::uint64_t targets) {
  StepSizes sizes;
  sizes.targets = targets;
  sizes.own.resize(parts);
  sizes.dim = parameters.dim();
  sizes.operator_dim = sizes.gradient_dim = parameters.relations().cols;
  sizes.relations = parameters.relations().rows;
  sizes.predicts_relations = true;
  return sizes;
}

/// A graph of three parts with its parameters.
struct Model {
  Model() { parameters.initialise(model, 3); }
  memory::Pool pool{std::uint64_t{64} << 20U};
  test::StoredGraph stored{test::random_graph({.entities = 600, .relations = 40, .train = 900}), 3};
  graph::Shard shard = stored.load(Rank(0), 1, pool);
  Job::Model model{"distmult", kDim, "normal", 0.7};
  model::Parameters parameters{shard, model, model::StateShape::kNone, pool};
};

std::vector<PartTargets> draw_targets(const Model& model) {
  std::vector<PartTargets> parts(kTargets.size());
  for (std::size_t p = 0; p < parts.size(); ++p)
    for (std::uint32_t i = 0; i < kTargets.at(p); ++i) {
      parts[p].query.push_back((7 * i + static_cast<std::uint32_t>(p)) % kQueries);
      parts[p].row.push_back(static_cast<std::uint32_t>((11 * i + 3) % model.shard.parts[p].rows()));
      parts[p].relation.push_back(static_cast<std::uint32_t>((5 * i + p) % model.parameters.relations().rows));
    }
  return parts;
}

StepLists<Space::kHost> lists_of(const std::vector<PartTargets>& parts) {
  StepLists<Space::kHost> lists;
  std::size_t first = 0;
  for (const PartTargets& part : parts) {
    TargetLists<Space::kHost>& targets = lists.parts.emplace_back().targets;
    targets.count = part.query.size();
    targets.first = first;
    targets.query = part.query;
    targets.row = part.row;
    targets.relation = part.relation;
    first += targets.count;
  }
  return lists;
}

void expect_near(kernels::ConstMatrix rows, const std::vector<std::vector<double>>& expected, const char* what) {
  ASSERT_EQ(rows.rows, expected.size());
  for (std::size_t i = 0; i < rows.rows; ++i)
    for (std::size_t k = 0; k < rows.cols; ++k) ASSERT_NEAR(rows.row(i)[k], expected[i][k], 1e-5) << what << ' ' << i;
}

TEST(RelationPrediction, ComputesInRoundsWhatAPlainLoopDoes) {
  Model model;
  const std::vector<PartTargets> parts = draw_targets(model);
  const StepLists<Space::kHost> lists = lists_of(parts);
  std::vector<float> source_rows(kQueries * kDim);
  for (std::size_t i = 0; i < source_rows.size(); ++i) source_rows[i] = std::sin(static_cast<float>(i));
  const kernels::ConstMatrix sources{source_rows.data(), kQueries, kDim, kDim};
  const kernels::ConstMatrix relations = model.parameters.relations();
  const StepSizes sizes = sizes_of(model.parameters, parts.size(), 1400);
  std::vector<std::vector<float>> before;
  for (const HostThreads& threads : {HostThreads(1), HostThreads(3), HostThreads(1, HostThreads::Cut::kNone)}) {
    execution::HostExecutor executor(model.pool, kernels::cpu_backend(), threads);
    execution::StepMemory<Space::kHost> memory(executor, 2000);
    Tables<Space::kHost> tables(model.parameters, model.shard.manifest, {}, executor);
    RelationPrediction<Space::kHost> prediction({executor, memory, tables, model.parameters, model.shard}, sizes);
    for (int step = 0; step < 2; ++step) {  // nothing of the first is left in the second
      std::array<kernels::LossSum, kTargets.size()> losses{};
      prediction.compute(lists, {sources, relations, kScale, kWeight, 0}, losses);
      for (std::size_t p = 0; p < parts.size(); ++p) {
        const Expected expected = plain_loop(parts[p], sources, model.parameters.parts()[p].rows.matrix(), relations);
        EXPECT_NEAR(losses.at(p).sum, double{kWeight} * expected.loss, 1e-5 * std::max(1.0, expected.loss));
        const kernels::ConstMatrix gradients =
            prediction.relation_gradients().block(p * relations.rows, relations.rows);
        for (std::size_t i = 0; i < expected.relations.size(); ++i)
          ASSERT_NEAR(gradients.data[i], expected.relations[i], 1e-3) << "part " << p << ", element " << i;
        expect_near(prediction.source_gradients(lists.parts[p].targets), expected.sources, "source");
        expect_near(prediction.target_gradients(lists.parts[p].targets), expected.targets, "target");
      }
    }
    const kernels::ConstMatrix all = prediction.relation_gradients();
    before.emplace_back(all.data, all.data + all.rows * all.cols);
    EXPECT_EQ(before.front(), before.back()) << "threads changed bits";
  }
}

// The memory that grows with the targets of a step is that of their own gradients, not of contexts and weights.
TEST(RelationPrediction, MemoryOfContextsIsBounded) {
  const test::StoredGraph stored(test::random_graph({}), 1);
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  model::Parameters parameters(shard, {"rescal", 16, "normal", 0.5}, model::StateShape::kNone, pool);
  execution::HostExecutor executor(pool, kernels::cpu_backend(), HostThreads(1));
  execution::StepMemory<Space::kHost> memory(executor, 1);
  Tables<Space::kHost> tables(parameters, shard.manifest, {}, executor);
  const auto use = [&](std::uint64_t targets) {
    const std::uint64_t before = pool.used_bytes();
    execution::StepMemory<Space::kHost> own(executor, 1);
    const RelationPrediction<Space::kHost> prediction({executor, own, tables, parameters, shard},
                                                      sizes_of(parameters, 2, targets));
    return pool.used_bytes() - before;
  };
  const std::uint64_t per_target = (use(40000) - use(20000)) / 20000;
  EXPECT_LT(per_target, 256);  // two gradients of 16 floats and a loss; a context alone would be 1 KiB
}

}  // namespace
}  // namespace tessera::train
