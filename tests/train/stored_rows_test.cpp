// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Engines whose entity rows, or states, take fewer bytes: on the host, over every backend and on any number of ranks
// and threads they have the same bits, also when they are continued; and how much memory they take.

#include "kernels/bfloat16.hpp"
#include "kernels/cuda/host_grid.hpp"
#include "train/engine_runs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

namespace tessera {
namespace {

using kernels::Backend;
using memory::Tag;

using Case = test::JobCase;
using Result = test::RunResult;
using test::EngineKind;
using test::kRunParts;
using test::train_alone;
using test::train_on;
using test::Trained;

void move_rows(Job& job) {
  job.exchange.mode = "rows";
  job.negatives.scope = "global";
}

const std::vector<Case> kCases = {
    {"ComplEx", [](Job&) {}},
    {"GroupedRelationPrediction",
     [](Job& job) {
       job.train.group_queries = true;
       job.relation_prediction.weight = 0.5;
     }},
    {"SampledRowwise",
     [](Job& job) {
       job.negatives.scope = "global";
       job.optimiser.name = "rowwise_adagrad";
     }},
    {"DistMultSampledSgd",
     [](Job& job) {
       job.model.name = "distmult";
       job.model.dim = 11;
       job.negatives.scope = "global";
       job.optimiser.name = "sgd";
       job.regulariser.name = "l2";
     }},
    {"CpAdamDura",
     [](Job& job) {
       job.model.name = "cp";
       job.optimiser.name = "adam";
       job.regulariser.name = "dura";
     }},
    {"MovingRows", move_rows},
    {"MovingRowsStaleTransE",
     [](Job& job) {
       move_rows(job);
       job.model.name = "transe_l2";
       job.loss.name = "margin";
       job.regulariser.name = "l2";
       job.exchange.staleness = 1;
     }},
};

struct Format {
  const char* rows;
  const char* state;
  double worst;  ///< by so much, of itself, the loss may differ from that of fp32
};
const std::vector<Format> kFormats = {{"bf16", "fp32", 0.005},
                                      {"fp16", "fp32", 0.005},
                                      {"int8", "fp32", 0.03},
                                      {"fp32", "log8", 0.02},
                                      {"int8", "log8", 0.04}};

class SmallRows : public testing::TestWithParam<std::tuple<Case, Format>> {
 protected:
  [[nodiscard]] static Job job() {
    const auto& [tested, format] = GetParam();
    Job job = test::small_job();
    tested.change(job);
    job.run.rows = format.rows;
    job.memory.hot_rows = 0.1;
    if (job.optimiser.name == "adagrad") job.optimiser.state = format.state;
    return job;
  }
  [[nodiscard]] static bool is_small(const Job& job) { return job.run.rows != "fp32" || job.optimiser.state != "fp32"; }
  const test::StoredGraph stored_{test::random_graph({}), kRunParts};
};

TEST_P(SmallRows, HaveTheSameBitsOnAnyNumberOfRanksAndThreads) {
  Job job = this->job();
  job.train.batch_size = 250;
  const Backend& cpu = kernels::cpu_backend();
  const Result expected = train_alone(stored_, job, EngineKind::kBlocks, cpu);
  EXPECT_EQ(train_alone(stored_, job, EngineKind::kStaged, kernels::host_grid_backend(kernels::GridOrder::kBackward)),
            expected);
  const auto self = comm::make_self_communicator();
  EXPECT_EQ(Trained(*self, stored_, job, EngineKind::kBlocks, cpu, 3).run(0, 2), expected);
  for (const std::int32_t ranks : {2, 3})
    for (const EngineKind kind : {EngineKind::kBlocks, EngineKind::kStaged})
      EXPECT_EQ(train_on(ranks, stored_, job, kind, cpu), expected) << ranks << " ranks";
  // The softmax of the reference has bits of its own.
  const Backend& reference = kernels::reference_backend();
  EXPECT_EQ(train_on(2, stored_, job, EngineKind::kStaged, reference),
            train_alone(stored_, job, EngineKind::kBlocks, reference));
  if (!is_small(job)) return;
  job.run.rows = job.optimiser.state = "fp32";
  EXPECT_NE(train_alone(stored_, job, EngineKind::kBlocks, cpu).digest, expected.digest);
}

// A checkpoint keeps all that there is to keep.
TEST_P(SmallRows, AreContinuedToTheSameBits) {
  const Job job = this->job();
  const Result expected = train_alone(stored_, job, EngineKind::kBlocks, kernels::cpu_backend(), 4);
  const auto self = comm::make_self_communicator();
  const checkpoint::CheckpointStore checkpoints(stored_.run_folder());
  {
    Trained first(*self, stored_, job, EngineKind::kBlocks, kernels::cpu_backend());
    first.run(0, 2);
    checkpoints.save(*self, first.shard, first.parameters, {.epoch = 2});
  }
  Trained second(*self, stored_, job, EngineKind::kBlocks, kernels::cpu_backend());
  checkpoints.load(2, second.shard, second.parameters);
  const Result result = second.run(2, 4);
  EXPECT_EQ(result.digest, expected.digest);
  EXPECT_EQ(result.losses.back(), expected.losses.back());
}

// Over twelve epochs the loss follows that of fp32, and it falls.
TEST_P(SmallRows, LearnAsRowsInFp32Do) {
  Job job = this->job();
  job.optimiser.learning_rate = job.optimiser.name == "sgd" ? 5 : 0.02;
  const Result rounded = train_alone(stored_, job, EngineKind::kBlocks, kernels::cpu_backend(), 12);
  const bool is_small = this->is_small(job);
  job.run.rows = job.optimiser.state = "fp32";
  const Result exact = train_alone(stored_, job, EngineKind::kBlocks, kernels::cpu_backend(), 12);
  EXPECT_LT(exact.losses.back(), 0.98 * exact.losses.front());
  double most = 0;
  for (std::size_t epoch = 0; epoch < 12; ++epoch)
    most = std::max(most, std::abs(rounded.losses[epoch] - exact.losses[epoch]) / exact.losses[epoch]);
  EXPECT_LT(most, std::get<Format>(GetParam()).worst);
  EXPECT_EQ(most > 0, is_small);
  RecordProperty("largest_relative_difference", std::to_string(most));
}

INSTANTIATE_TEST_SUITE_P(Jobs, SmallRows, testing::Combine(testing::ValuesIn(kCases), testing::ValuesIn(kFormats)),
                         [](const auto& tested) {
                           const auto& format = std::get<Format>(tested.param);
                           return std::string(std::get<Case>(tested.param).name) + "_" + format.rows + "_" +
                                  format.state;
                         });

// Rows and states of entities, as the pool counts them.
double bytes_per_parameter(const Job& job) {
  const test::StoredGraph stored(test::random_graph({.entities = 3000}), kRunParts);
  const auto self = comm::make_self_communicator();
  const Trained trained(*self, stored, job, EngineKind::kBlocks, kernels::cpu_backend());
  const std::uint64_t relations = stored.manifest().relation_count * 2 * job.model.dim * 4;
  const std::uint64_t states = job.optimiser.name == "adagrad" ? relations : stored.manifest().relation_count * 2 * 4;
  const std::uint64_t bytes =
      trained.pool.use(Tag::kRows).bytes + trained.pool.use(Tag::kState).bytes - relations - states;
  return static_cast<double>(bytes) / static_cast<double>(3000 * job.model.dim);
}

TEST(SmallRowsMemory, IsThatOfTheirFormats) {
  Job job = test::small_job();
  job.model.dim = 128;
  EXPECT_NEAR(bytes_per_parameter(job), 8, 0.01);
  job.run.rows = "bf16";
  job.optimiser.state = "log8";
  EXPECT_LT(bytes_per_parameter(job), 3.01);
  job.optimiser.state = "fp32";
  job.optimiser.name = "rowwise_adagrad";
  EXPECT_LT(bytes_per_parameter(job), 2.04);
  job.run.rows = "int8";  // 2 % of the rows in fp32
  EXPECT_LT(bytes_per_parameter(job), 1.15);
}

std::uint64_t used(const Result& result, Tag tag) { return result.used.at(static_cast<std::size_t>(tag)); }

// No copy of the rows: what the engine takes is that of a block for each thread.
TEST(SmallRowsMemory, OfACandidateBlockIsAllThatConversionsTake) {
  const test::StoredGraph stored(test::random_graph({.entities = 3000}), 2);
  Job job = test::small_job();
  const Result exact = train_alone(stored, job, EngineKind::kBlocks, kernels::cpu_backend(), 1);
  job.run.rows = "bf16";
  const Result rounded = train_alone(stored, job, EngineKind::kBlocks, kernels::cpu_backend(), 1);
  EXPECT_EQ(used(rounded, Tag::kRows), 0U);
  EXPECT_EQ(used(rounded, Tag::kBatch) - used(exact, Tag::kBatch), 256 * job.model.dim * sizeof(float));
  for (const Tag tag : {Tag::kNegatives, Tag::kGradients, Tag::kLogits})
    EXPECT_EQ(used(exact, tag), used(rounded, tag)) << memory::name(tag);
}

// Hot rows are those of the largest degrees; of equal ones, those of smaller numbers. Slots ascend.
TEST(HotRows, AreThoseOfTheLargestDegrees) {
  const test::StoredGraph stored(test::random_graph({.entities = 300}), 2);
  Job job = test::small_job();
  job.run.rows = "int8";
  job.memory.hot_rows = 0.1;
  const auto self = comm::make_self_communicator();
  const Trained trained(*self, stored, job, EngineKind::kBlocks, kernels::cpu_backend());
  for (const model::PartTable& part : trained.parameters.parts()) {
    const std::size_t count = part.rows.rows / 10;
    ASSERT_EQ(part.rows.hot.rows, count);
    std::vector<std::size_t> order(part.rows.rows);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return part.degrees[a] > part.degrees[b]; });
    std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
    std::size_t hot = 0;
    for (std::size_t i = 0; i < part.rows.rows; ++i) {
      if (!kernels::is_hot(part.rows.row(i))) continue;
      ASSERT_LT(hot, count);
      EXPECT_EQ(i, order[hot]);
      EXPECT_EQ(kernels::hot_slot(part.rows.row(i)), hot++);
    }
    EXPECT_EQ(hot, count);
  }
}

/// Products that take a table as it is stored, as those on matrix units do; here it is widened within the call.
class TakesStored {
 public:
  explicit TakesStored(const Backend& by)
      : scores_(by.scores), gradients_(by.gradients), backend_{by.name,      scores_,        gradients_,
                                                               by.softmax,   by.rows,        by.updates,
                                                               by.ranks,     by.composition, by.penalties,
                                                               by.targets,   by.statistics,  by.negative_losses,
                                                               by.distances, by.best_rows,   by.screening} {}
  [[nodiscard]] const Backend& backend() const { return backend_; }
  [[nodiscard]] int products() const { return gradients_.products; }

 private:
  static std::vector<float> widened(const kernels::Operand& operand) {
    std::vector<float> values(operand.packed.size() / sizeof(std::uint16_t));
    const auto* stored = reinterpret_cast<const std::uint16_t*>(operand.packed.data());
    std::transform(stored, stored + values.size(), values.begin(), kernels::from_bfloat16);
    return values;
  }
  static kernels::ConstMatrix matrix(const kernels::Operand& operand, const std::vector<float>& values) {
    if (operand.packed.empty()) return operand.matrix;
    return {values.data(), operand.matrix.rows, operand.matrix.cols, operand.matrix.stride};
  }
  struct StoredScores final : kernels::Scores {
    explicit StoredScores(const kernels::Scores& of) : inner(of) {}
    void all_pairs(kernels::Similarity similarity, Operand queries, Operand rows, Matrix out) const override {
      const std::vector<float> values = widened(rows);
      inner.all_pairs(similarity, queries, matrix(rows, values), out);
    }
    void pairs(kernels::Similarity similarity, ConstMatrix queries, ConstMatrix rows,
               std::span<float> out) const override {
      inner.pairs(similarity, queries, rows, out);
    }
    const kernels::Scores& inner;
  };
  struct StoredGradients final : kernels::Gradients {
    explicit StoredGradients(const kernels::Gradients& of) : inner(of) {}
    [[nodiscard]] bool takes_stored(const kernels::ConstStoredRows& table) const override {
      return table.format == kernels::RowFormat::kBf16;
    }
    void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const override {
      inner.to_queries(weights, rows, out);
    }
    void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const override {
      inner.to_rows(weights, queries, out);
    }
    void add_to_queries_tiled(TiledWeights weights, Operand rows, Matrix scratch, Matrix out) const override {
      products += rows.packed.empty() ? 0 : 1;
      const std::vector<float> values = widened(rows);
      inner.add_to_queries_tiled(weights, matrix(rows, values), scratch, out);
    }
    void to_rows_tiled(TiledWeights weights, Operand queries, Matrix out) const override {
      inner.to_rows_tiled(weights, queries, out);
    }
    const kernels::Gradients& inner;
    mutable int products = 0;
  };
  StoredScores scores_;
  StoredGradients gradients_;
  Backend backend_;
};

// No copy of the table, and the bits of one.
TEST(SmallRowsProducts, TakeTheTableAsItIsStored) {
  const test::StoredGraph stored(test::random_graph({}), kRunParts);
  Job job = test::small_job();
  job.run.rows = "bf16";
  const Result copied = train_alone(stored, job, EngineKind::kStaged, kernels::cpu_backend());
  const TakesStored takes(kernels::cpu_backend());
  const Result as_stored = train_alone(stored, job, EngineKind::kStaged, takes.backend());
  EXPECT_EQ(as_stored, copied);
  EXPECT_GE(used(copied, Tag::kRows) - used(as_stored, Tag::kRows), stored.manifest().entity_count * job.model.dim * 4);
  EXPECT_GT(takes.products(), 0);
}

}  // namespace
}  // namespace tessera
