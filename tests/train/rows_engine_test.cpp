// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The engine that moves rows has the same bits in blocks, as the host runs it, and on whole parts, as a device does:
// over every backend and on any number of ranks. Over host_grid these are the kernels of a device.

#include "kernels/cuda/host_grid.hpp"
#include "support/expect_error.hpp"
#include "train/engine_runs.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace tessera {
namespace {

using kernels::Backend;

using test::kRunParts;
using test::train_alone;
using test::train_on;
using test::Trained;
using Kind = test::EngineKind;
using Result = test::RunResult;

Job small_job() {
  Job job = test::small_job();
  job.exchange.mode = "rows";
  job.negatives.scope = "global";
  job.loss.margin = 0.7;
  job.loss.temperature = 0.8;
  return job;
}

struct Case {
  std::string name;
  Job job;
};
std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

constexpr std::array kLosses{"softmax", "margin", "self_adversarial"};
constexpr std::array kOptimisers{"adagrad", "rowwise_adagrad", "adam", "sgd"};
constexpr std::array kRegularisers{"n3", "l2", "none"};

// Every model with every loss and optimiser; regularisers, staleness, dropout and scopes by turns.
std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const std::vector<std::string> models = model::scorer_names();
  for (std::size_t m = 0; m < models.size(); ++m)
    for (std::size_t i = 0; i < kOptimisers.size(); ++i) {
      Job job = small_job();
      job.model.name = models[m];
      if (models[m] == "tucker") job.model.relation_dim = 5;
      job.loss.name = kLosses.at((m + i) % kLosses.size());
      job.optimiser.name = kOptimisers.at(i);
      if (job.optimiser.name == "sgd") job.optimiser.learning_rate = 0.05;
      job.regulariser.name = kRegularisers.at((m / 2 + 2 * i) % kRegularisers.size());
      job.exchange.staleness = (m + i / 2) % 2;
      if (i % 2 == 1) job.dropout.entity = 0.3;
      if (i % 2 == 1 && models[m] != "rotate") job.dropout.relation = 0.2;
      if (i == 3) job.negatives.scope = job.loss.name == "softmax" ? "all" : "part";
      const char* const stale = job.exchange.staleness > 0 ? "_stale" : "";
      cases.push_back({fmt::format("{}_{}_{}{}", models[m], job.loss.name, job.optimiser.name, stale), job});
    }
  // What leaves a part in few bits.
  for (const char* format : {"bf16", "int8"})
    for (const std::uint64_t staleness : {0, 1}) {
      Job job = small_job();
      job.exchange.format = format;
      job.exchange.staleness = staleness;
      const char* const stale = staleness > 0 ? "_stale" : "";
      cases.push_back({fmt::format("complex_travels_in_{}{}", format, stale), job});
      job.run.rows = "bf16";
      cases.push_back({fmt::format("complex_bf16_travels_in_{}{}", format, stale), job});
    }
  return cases;
}

const test::StoredGraph& stored_graph() {
  static const test::StoredGraph graph(test::random_graph({.train = 120}), kRunParts);
  return graph;
}

class RowsEngine : public testing::TestWithParam<Case> {};

TEST_P(RowsEngine, HasTheSameBitsOnWholeParts) {
  const Job& job = GetParam().job;
  const Result expected = train_alone(stored_graph(), job, Kind::kBlocks, kernels::cpu_backend());
  EXPECT_GT(expected.losses.back(), 0);
  for (const Backend* backend : {&kernels::cpu_backend(), &kernels::host_grid_backend(kernels::GridOrder::kForward),
                                 &kernels::host_grid_backend(kernels::GridOrder::kBackward)})
    EXPECT_EQ(train_alone(stored_graph(), job, Kind::kWhole, *backend), expected) << backend->name;
  for (const std::int32_t ranks : {2, 3, 5})
    for (const Kind kind : {Kind::kBlocks, Kind::kWhole, Kind::kStaged})
      EXPECT_EQ(train_on(ranks, stored_graph(), job, kind, kernels::cpu_backend()), expected)
          << ranks << " ranks, kind " << static_cast<int>(kind);
  EXPECT_EQ(train_on(3, stored_graph(), job, Kind::kWhole, kernels::host_grid_backend(kernels::GridOrder::kBackward)),
            expected)
      << "3 ranks, kernel bodies of a device";
}

// The softmax of the reference has bits of its own, in blocks and on whole parts alike.
TEST_P(RowsEngine, HasTheSameBitsOverTheReference) {
  const Job& job = GetParam().job;
  const Backend& reference = kernels::reference_backend();
  const Result expected = train_alone(stored_graph(), job, Kind::kBlocks, reference);
  EXPECT_EQ(train_alone(stored_graph(), job, Kind::kWhole, reference), expected);
  if (job.loss.name == "softmax") return;
  EXPECT_EQ(train_alone(stored_graph(), job, Kind::kBlocks, kernels::cpu_backend()), expected);
}

// Ranks with and without a device in one run, with unequal numbers of parts.
TEST_P(RowsEngine, WorksWithRanksOfBothKinds) {
  Job job = GetParam().job;
  const Result expected = train_alone(stored_graph(), job, Kind::kBlocks, kernels::cpu_backend());
  for (const char* placement : {"4,1", "1,3,1"}) {
    job.run.placement = placement;
    const auto ranks = static_cast<std::int32_t>(std::count(placement, placement + std::strlen(placement), ',') + 1);
    EXPECT_EQ(train_on(ranks, stored_graph(), job, Kind::kMixed, kernels::cpu_backend()), expected) << placement;
  }
}

INSTANTIATE_TEST_SUITE_P(Jobs, RowsEngine, testing::ValuesIn(all_cases()),
                         [](const auto& tested) { return tested.param.name; });

TEST(RowsEngineFormats, ChangeWhatLeavesAPart) {
  Job job = small_job();
  const Result exact = train_alone(stored_graph(), job, Kind::kBlocks, kernels::cpu_backend());
  for (const char* format : {"bf16", "int8"}) {
    job.exchange.format = format;
    const Result rounded = train_alone(stored_graph(), job, Kind::kBlocks, kernels::cpu_backend());
    EXPECT_NE(rounded.digest, exact.digest) << format;
    EXPECT_NEAR(rounded.losses.back(), exact.losses.back(), 0.02 * exact.losses.back()) << format;
  }
  const test::StoredGraph whole(test::random_graph({.train = 120}), 1);  // nothing leaves it
  job.exchange.format = "fp32";
  const Result alone = train_alone(whole, job, Kind::kBlocks, kernels::cpu_backend());
  job.exchange.format = "int8";
  EXPECT_EQ(train_alone(whole, job, Kind::kBlocks, kernels::cpu_backend()), alone);
}

// Blocks that end within a part, of queries, negatives and rows.
TEST(RowsEngineBlocks, MayBeSeveral) {
  const test::StoredGraph stored(test::random_graph({.entities = 900, .train = 700}), 2);
  for (const char* model : {"transe_l1", "rotate", "complex"}) {
    Job job = small_job();
    job.model.name = model;
    job.train.batch_size = 800;
    job.negatives.count = 300;
    const Result expected = train_alone(stored, job, Kind::kWhole, kernels::cpu_backend());
    for (const std::size_t threads : {1, 3}) {
      const auto comm = comm::make_self_communicator();
      EXPECT_EQ(Trained(*comm, stored, job, Kind::kBlocks, kernels::cpu_backend(), threads).run(0, 2), expected);
    }
    EXPECT_EQ(train_alone(stored, job, Kind::kWhole, kernels::host_grid_backend(kernels::GridOrder::kForward)),
              expected);
  }
}

// Steps in which parts, and whole ranks, have no query, and an epoch of one step.
TEST(RowsEngineSteps, MayBeSmallerThanTheNumberOfParts) {
  const test::StoredGraph stored(test::random_graph({.entities = 60, .train = 40}), kRunParts);
  for (const std::uint64_t batch : {3, 1000})
    for (const std::uint64_t staleness : {0, 1}) {
      Job job = small_job();
      job.model.name = "transe_l2";
      job.train.batch_size = batch;
      job.exchange.staleness = staleness;
      const Result expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
      for (const std::int32_t ranks : {2, 3, 4, 5})
        for (const Kind kind : {Kind::kBlocks, Kind::kWhole, Kind::kStaged})
          EXPECT_EQ(train_on(ranks, stored, job, kind, kernels::cpu_backend()), expected) << ranks << " ranks";
    }
}

// Weights of triples, through every kernel that takes them.
TEST(RowsEngineWeights, HaveTheSameBits) {
  test::TestGraph graph = test::random_graph({.train = 120});
  test::add_weights(graph);
  const test::StoredGraph stored(graph, kRunParts);
  for (const char* loss : kLosses) {
    Job job = small_job();
    job.model.name = "transe_l2";
    job.loss.name = loss;
    const Result expected = train_alone(stored, job, Kind::kBlocks, kernels::cpu_backend());
    for (const kernels::GridOrder order : {kernels::GridOrder::kForward, kernels::GridOrder::kBackward})
      EXPECT_EQ(train_alone(stored, job, Kind::kWhole, kernels::host_grid_backend(order)), expected) << loss;
    EXPECT_EQ(train_on(3, stored, job, Kind::kStaged, kernels::cpu_backend()), expected) << loss << ", 3 ranks";
  }
}

// All ranks end together and name the step, whatever they compute with.
TEST(RowsEngineLoss, ThatIsNotANumberNamesItsStep) {
  for (const char* loss : kLosses)
    for (const Kind kind : {Kind::kBlocks, Kind::kWhole, Kind::kStaged, Kind::kMixed}) {
      Job job = small_job();
      job.model.name = "transe_l1";
      job.loss.name = loss;
      comm::run_ranks(3, [&](comm::Communicator& comm) {
        Trained trained(comm, stored_graph(), job, kind, kernels::cpu_backend());
        if (comm.rank() == Rank(1))
          for (std::size_t row = 0; row < trained.parameters.parts().front().rows.rows; ++row)
            trained.parameters.parts().front().rows.matrix().row(row)[0] = std::nanf("");
        test::expect_error(ExitStatus::kBadData, {"not a finite number", "epoch 1, step 1;", "learning_rate"},
                           [&] { trained.engine->run_epoch(0, nullptr); });
      });
    }
}

}  // namespace
}  // namespace tessera
