// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The engine whose entity rows are in bfloat16, on the host: over every backend and on any number of ranks it has the
// same bits, also when it is continued; and how much memory it takes.

#include "kernels/bfloat16.hpp"
#include "kernels/cuda/host_grid.hpp"
#include "kernels/padding.hpp"
#include "train/engine_runs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

namespace tessera {
namespace {

using kernels::Backend;
using memory::Tag;

using Case = test::JobCase;
using Result = test::RunResult;
using test::EngineKind;
using test::kRunParts;

Job small_job() {
  Job job = test::small_job();
  job.run.rows = "bf16";
  return job;
}

struct Trained : test::Trained {
  Trained(comm::Communicator& of, const test::StoredGraph& stored, const Job& job, const Backend& backend)
      : test::Trained(of, stored, job, EngineKind::kStaged, backend) {}
};

Result train_alone(const test::StoredGraph& stored, const Job& job, const Backend& backend, std::uint32_t epochs = 2) {
  return test::train_alone(stored, job, EngineKind::kStaged, backend, epochs);
}

Result train_on(std::int32_t ranks, const test::StoredGraph& stored, const Job& job, const Backend& backend) {
  return test::train_on(ranks, stored, job, EngineKind::kStaged, backend);
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
};

class BFloat16Rows : public testing::TestWithParam<Case> {};

TEST_P(BFloat16Rows, HaveTheSameBitsOnAnyNumberOfRanks) {
  const test::StoredGraph stored(test::random_graph({}), kRunParts);
  Job job = small_job();
  job.train.batch_size = 250;
  GetParam().change(job);
  const Result expected = train_alone(stored, job, kernels::cpu_backend());
  for (const auto order : {kernels::GridOrder::kForward, kernels::GridOrder::kBackward})
    EXPECT_EQ(train_alone(stored, job, kernels::host_grid_backend(order)), expected);
  for (const std::int32_t ranks : {2, 3, 5})
    EXPECT_EQ(train_on(ranks, stored, job, kernels::cpu_backend()), expected) << ranks << " ranks";
  // The softmax of the reference has bits of its own.
  const Backend& reference = kernels::reference_backend();
  EXPECT_EQ(train_on(2, stored, job, reference), train_alone(stored, job, reference));
  job.run.rows = "fp32";
  EXPECT_NE(train_alone(stored, job, kernels::cpu_backend()).digest, expected.digest);
}

void copy_matrix(kernels::ConstMatrix from, kernels::Matrix to) {
  std::copy_n(from.data, from.rows * from.cols, to.data);
}

// What a checkpoint keeps, rows in fp32, is all that there is to keep.
TEST_P(BFloat16Rows, AreContinuedToTheSameBits) {
  const test::StoredGraph stored(test::random_graph({}), kRunParts);
  Job job = small_job();
  GetParam().change(job);
  const Result expected = train_alone(stored, job, kernels::cpu_backend(), 4);
  const auto self = comm::make_self_communicator();
  Trained first(*self, stored, job, kernels::cpu_backend());
  first.run(0, 2);
  Trained second(*self, stored, job, kernels::cpu_backend());
  for (std::size_t p = 0; p < kRunParts; ++p) {
    copy_matrix(first.parameters.parts()[p].rows, second.parameters.parts()[p].rows);
    copy_matrix(first.parameters.parts()[p].state, second.parameters.parts()[p].state);
  }
  copy_matrix(first.parameters.relations(), second.parameters.relations());
  copy_matrix(first.parameters.relation_state(), second.parameters.relation_state());
  const Result result = second.run(2, 4);
  EXPECT_EQ(result.digest, expected.digest);
  EXPECT_EQ(result.losses.back(), expected.losses.back());
}

// Over twelve epochs the loss follows that of fp32 to half a percent, and it falls.
TEST_P(BFloat16Rows, LearnAsRowsInFp32Do) {
  const test::StoredGraph stored(test::random_graph({}), 2);
  Job job = small_job();
  GetParam().change(job);
  job.optimiser.learning_rate = job.optimiser.name == "sgd" ? 5 : 0.02;
  const Result rounded = train_alone(stored, job, kernels::cpu_backend(), 12);
  job.run.rows = "fp32";
  const Result exact = train_alone(stored, job, kernels::cpu_backend(), 12);
  EXPECT_LT(exact.losses.back(), 0.98 * exact.losses.front());
  double most = 0;
  for (std::size_t epoch = 0; epoch < 12; ++epoch)
    most = std::max(most, std::abs(rounded.losses[epoch] - exact.losses[epoch]) / exact.losses[epoch]);
  EXPECT_LT(most, 0.005);
  EXPECT_GT(most, 0);
  RecordProperty("largest_relative_difference", std::to_string(most));
}

INSTANTIATE_TEST_SUITE_P(Jobs, BFloat16Rows, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

std::uint64_t used(const Result& result, Tag tag) { return result.used.at(static_cast<std::size_t>(tag)); }

TEST(BFloat16RowsMemory, OfEntitiesHalves) {
  constexpr std::uint64_t kEntities = 700;
  const test::StoredGraph stored(test::random_graph({.entities = kEntities}), kRunParts);
  Job job = small_job();
  job.model.dim = 64;
  job.optimiser.name = "rowwise_adagrad";
  job.negatives.scope = "global";
  const Result rounded = train_alone(stored, job, kernels::cpu_backend(), 1);
  job.run.rows = "fp32";
  const Result exact = train_alone(stored, job, kernels::cpu_backend(), 1);
  EXPECT_EQ(used(exact, Tag::kRows), 0U);  // the parameters themselves
  const std::uint64_t copies = kEntities * 64 * 2 + stored.manifest().relation_count * 2 * 64 * 4;
  EXPECT_NEAR(static_cast<double>(used(rounded, Tag::kRows)), static_cast<double>(copies), 64);  // whole cache lines
  for (const Tag tag : {Tag::kBatch, Tag::kNegatives, Tag::kGradients, Tag::kLogits})
    EXPECT_EQ(used(exact, tag), used(rounded, tag)) << memory::name(tag);
}

// With sampled negatives only rows and their state grow with the graph: a part may have many millions of rows.
TEST(BFloat16RowsMemory, OfASampledStepDoesNotGrowWithTheRows) {
  const auto train_with = [](std::uint64_t entities) {
    const test::StoredGraph stored(test::random_graph({.entities = entities, .train = 4000}), 1);
    Job job = small_job();
    job.negatives.scope = "global";
    return train_alone(stored, job, kernels::cpu_backend(), 1);
  };
  const Result small = train_with(300);
  const Result large = train_with(3000);
  EXPECT_GT(used(large, Tag::kRows), 8 * used(small, Tag::kRows));
  for (const Tag tag : {Tag::kBatch, Tag::kNegatives, Tag::kGradients, Tag::kLogits, Tag::kExchange})
    EXPECT_EQ(used(small, tag), used(large, tag)) << memory::name(tag);
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
      return table.stride == kernels::padded_stride(table.cols) * sizeof(std::uint16_t);
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
TEST(BFloat16RowsProducts, TakeTheTableAsItIsStored) {
  const test::StoredGraph stored(test::random_graph({}), kRunParts);
  const Job job = small_job();
  const Result copied = train_alone(stored, job, kernels::cpu_backend());
  const TakesStored takes(kernels::cpu_backend());
  const Result as_stored = train_alone(stored, job, takes.backend());
  EXPECT_EQ(as_stored, copied);
  EXPECT_GE(used(copied, Tag::kRows) - used(as_stored, Tag::kRows), stored.manifest().entity_count * job.model.dim * 4);
  EXPECT_GT(takes.products(), 0);
}

}  // namespace
}  // namespace tessera
