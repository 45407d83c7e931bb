// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Optimisers over several steps against their textbook formulas in double precision.

#include "train/optimiser.hpp"
#include "comm/self/self_communicator.hpp"
#include "core/job.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera {
namespace {

using Vector = std::vector<double>;

// Adam as its paper has it, on one table; a row that got no gradient is left out of the step ("lazy").
struct AdamOracle {
  AdamOracle(const Job::Optimiser& settings, std::size_t n) : job(settings), m(n), v(n) {}
  Job::Optimiser job;
  Vector m;
  Vector v;
  int t = 0;

  void step(Vector& x, const Vector& gradient, std::size_t dim) {
    ++t;
    for (std::size_t row = 0; row < x.size(); row += dim) {
      const auto begin = gradient.begin() + static_cast<std::ptrdiff_t>(row);
      if (std::all_of(begin, begin + static_cast<std::ptrdiff_t>(dim), [](double g) { return g == 0; })) continue;
      for (std::size_t i = row; i < row + dim; ++i) {
        m[i] = job.beta1 * m[i] + (1 - job.beta1) * gradient[i];
        v[i] = job.beta2 * v[i] + (1 - job.beta2) * gradient[i] * gradient[i];
        const double mean = m[i] / (1 - std::pow(job.beta1, t));
        const double square = v[i] / (1 - std::pow(job.beta2, t));
        x[i] -= job.learning_rate * mean / (std::sqrt(square) + job.epsilon);
      }
    }
  }
};

// Gradients of five steps that look alike on no two of them: every step leaves out another row.
Vector gradient_of(int step, std::size_t rows, std::size_t dim) {
  Vector gradient(rows * dim);
  for (std::size_t i = 0; i < gradient.size(); ++i)
    if (i / dim != static_cast<std::size_t>(step) % rows)
      gradient[i] = std::sin(3.0 + static_cast<double>(i) + 10.0 * step) / (1.0 + step);
  return gradient;
}

// Runs the optimiser on the gradients above as sparse rows; returns table and state.
struct Tables {
  std::vector<float> table;
  std::vector<float> state;
};
Tables run(const Job::Optimiser& job, std::size_t rows, std::size_t dim, std::size_t state_cols, int steps) {
  Tables out{std::vector<float>(rows * dim, 0.5F), std::vector<float>(rows * state_cols)};
  train::Optimiser optimiser(job);
  for (int step = 0; step < steps; ++step) {
    const Vector all = gradient_of(step, rows, dim);
    std::vector<float> packed;
    std::vector<std::uint32_t> touched;
    for (std::uint32_t row = 0; row < rows; ++row) {
      if (row == static_cast<std::size_t>(step) % rows) continue;
      touched.push_back(row);
      for (std::size_t k = 0; k < dim; ++k) packed.push_back(static_cast<float>(all[row * dim + k]));
    }
    optimiser.begin_step(static_cast<std::uint64_t>(step), 1);
    optimiser.apply(kernels::cpu_backend(), {packed.data(), touched.size(), dim, dim}, touched,
                    {out.table.data(), rows, dim, dim},
                    kernels::Matrix{out.state.data(), rows, state_cols, state_cols});
  }
  return out;
}

constexpr std::size_t kRows = 3;
constexpr std::size_t kDim = 19;
constexpr int kSteps = 5;

TEST(Optimiser, AdamFollowsItsPaper) {
  Job::Optimiser job{"adam", 0.05, 1e-8};
  job.beta1 = 0.8;
  job.beta2 = 0.95;
  const Tables got = run(job, kRows, kDim, 2 * kDim, kSteps);
  AdamOracle oracle(job, kRows * kDim);
  Vector x(kRows * kDim, 0.5);
  for (int step = 0; step < kSteps; ++step) oracle.step(x, gradient_of(step, kRows, kDim), kDim);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(got.table[i], x[i], 1e-6) << i;
    const std::size_t at = i / kDim * 2 * kDim + i % kDim;
    EXPECT_NEAR(got.state[at], oracle.m[i], 1e-6) << i;
    EXPECT_NEAR(got.state[at + kDim], oracle.v[i], 1e-6) << i;
  }
}

TEST(Optimiser, SgdAndAdagradFollowTheirFormulas) {
  const Job::Optimiser sgd{"sgd", 0.05};
  const Job::Optimiser adagrad{"adagrad", 0.05, 1e-8};
  const Tables moved = run(sgd, kRows, kDim, 0, kSteps);
  const Tables adapted = run(adagrad, kRows, kDim, kDim, kSteps);
  for (std::size_t i = 0; i < kRows * kDim; ++i) {
    double x = 0.5;
    double y = 0.5;
    double squares = 0;
    for (int step = 0; step < kSteps; ++step) {
      const double g = gradient_of(step, kRows, kDim)[i];
      x -= sgd.learning_rate * g;
      squares += g * g;
      if (squares > 0) y -= adagrad.learning_rate * g / (std::sqrt(squares) + adagrad.epsilon);
    }
    EXPECT_NEAR(moved.table[i], x, 1e-6) << i;
    EXPECT_NEAR(adapted.table[i], y, 1e-6) << i;
  }
}

TEST(Schedule, WarmupRisesFromStepToStep) {
  Job::Schedule schedule{"warmup", 1.5};
  train::Optimiser optimiser({"sgd", 0.25}, schedule);
  for (std::uint64_t step = 0; step < 20; ++step) {
    optimiser.begin_step(step, 4);  // 1.5 epochs are 6 steps
    EXPECT_DOUBLE_EQ(optimiser.learning_rate(), 0.25 * std::min(1.0, static_cast<double>(step + 1) / 6)) << step;
  }
  schedule.warmup_epochs = 0;
  train::Optimiser at_once({"sgd", 0.25}, schedule);
  at_once.begin_step(0, 4);
  EXPECT_EQ(at_once.learning_rate(), 0.25);
}

TEST(Schedule, TheRateIsTheOneThatRowsMoveBy) {
  for (const char* name : {"adagrad", "rowwise_adagrad", "adam", "sgd"}) {
    std::vector<double> moves;
    for (const double factor : {1.0, 0.5}) {
      train::Optimiser optimiser({name, 0.25});
      optimiser.set_rate_factor(factor);
      optimiser.begin_step(0, 1);
      EXPECT_EQ(optimiser.learning_rate(), 0.25 * factor);
      std::vector<float> row(8);
      std::vector<float> state(16);
      const std::vector<float> gradient(8, 2.0F);
      const std::vector<std::uint32_t> first{0};
      const std::size_t columns = std::string(name) == "adam" ? 16 : std::string(name) == "rowwise_adagrad" ? 1 : 8;
      optimiser.apply(kernels::cpu_backend(), {gradient.data(), 1, 8, 8}, first, {row.data(), 1, 8, 8},
                      kernels::Matrix{state.data(), 1, columns, columns});
      moves.push_back(row[3]);
    }
    EXPECT_LT(moves[0], 0) << name;
    EXPECT_FLOAT_EQ(static_cast<float>(moves[1]), static_cast<float>(moves[0] / 2)) << name;
  }
}

// Everything that training changes, in one vector of rows of the same width.
Vector values(const model::Parameters& parameters) {
  Vector x;
  const auto append = [&](kernels::ConstMatrix m) { x.insert(x.end(), m.data, m.data + m.rows * m.cols); };
  for (const model::PartTable& table : parameters.parts()) append(table.rows.matrix());
  append(parameters.relations());
  return x;
}

void assign(const Vector& x, model::Parameters& parameters) {
  std::size_t next = 0;
  const auto take = [&](kernels::Matrix m) {
    for (std::size_t i = 0; i < m.rows * m.cols; ++i) m.data[i] = static_cast<float>(x[next++]);
  };
  for (const model::PartTable& table : parameters.parts()) take(table.rows.matrix());
  take(parameters.relations());
}

class EngineOptimiser : public testing::TestWithParam<std::string> {
 protected:
  EngineOptimiser() {
    job_.model = {"distmult", 6, "normal", 0.5};
    job_.train.batch_size = 1000;  // one step
    job_.negatives.count = 8;
    job_.regulariser = {"l2", 0.01};
    job_.exchange.mode = GetParam();
    if (GetParam() == "queries") job_.negatives.scope = "all";
  }

  // Runs epochs [first, last) from x, or from the start when x is empty; calls after(epoch, before, after) after each.
  template <class After>
  void run_epochs(const Job& job, Vector x, std::uint32_t first, std::uint32_t last, const After& after) {
    const auto comm = comm::make_self_communicator();
    memory::Pool pool(std::uint64_t{64} << 20U);
    const graph::Shard shard = stored_.load(Rank(0), 1, pool);
    model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool,
                                 train::row_memory(shard, job));
    const auto engine = train::make_engine(
        {*comm, shard, job, parameters, 1, kernels::cpu_backend(), pool, sampling::count_items(*comm, shard, job)});
    parameters.initialise(job.model, job.run.seed);
    if (!x.empty()) assign(x, parameters);
    for (std::uint32_t epoch = first; epoch < last; ++epoch) {
      x = values(parameters);
      engine->run_epoch(epoch);
      after(epoch, x, values(parameters));
    }
  }

  // The gradient of an epoch's only step: what plain descent changes. The large rate hides the rounding of x.
  Vector gradient(std::uint32_t epoch, const Vector& x) {
    constexpr double kRate = 4096;
    Job job = job_;
    job.optimiser = {"sgd", kRate};
    Vector difference(x.size());
    run_epochs(job, x, epoch, epoch + 1, [&](std::uint32_t, const Vector& before, const Vector& after) {
      for (std::size_t i = 0; i < x.size(); ++i) difference[i] = (before[i] - after[i]) / kRate;
    });
    return difference;
  }

  Job job_;
  test::StoredGraph stored_{test::random_graph({.entities = 40, .train = 60}), 2};
};

// The number of the step counts over epochs, and rows that a step does not touch keep their moments.
TEST_P(EngineOptimiser, AdamOverEpochs) {
  job_.optimiser = {"adam", 0.01, 1e-4};
  std::size_t untouched = 0;
  AdamOracle oracle(job_.optimiser, 0);
  run_epochs(job_, {}, 0, 4, [&](std::uint32_t epoch, const Vector& before, const Vector& after) {
    if (epoch == 0) oracle = AdamOracle(job_.optimiser, before.size());
    const Vector g = gradient(epoch, before);
    Vector expected = before;
    oracle.step(expected, g, job_.model.dim);
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_NEAR(after[i], expected[i], 2e-6) << "epoch " << epoch << ", element " << i;
      if (g[i] == 0) ++untouched;
    }
  });
  EXPECT_EQ(untouched > 0, GetParam() == "rows");
}

INSTANTIATE_TEST_SUITE_P(Modes, EngineOptimiser, testing::Values("rows", "queries"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace tessera
