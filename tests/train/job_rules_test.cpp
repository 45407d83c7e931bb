// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Settings that do not fit each other are refused with what would; "auto" decides by what fits, then by bytes.

#include "train/loop/job_rules.hpp"
#include "core/job.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tessera::train {
namespace {

Job exact() {
  Job job;
  job.negatives.scope = "all";
  job.train.group_queries = true;
  return job;
}

void refuse(const Job& job, std::initializer_list<std::string_view> says) {
  test::expect_error(ExitStatus::kUsage, says, [&] { check_fit(job); });
}

TEST(JobRules, RowsOfComplexNumbersHaveAnEvenDim) {
  for (const char* name : {"complex", "rotate", "cp"}) {
    Job job;
    job.model.name = name;
    job.model.dim = 33;
    refuse(job, {"model.dim", "multiple of 2", name, "33"});
    job.model.dim = 34;
    check_fit(job);
  }
}

TEST(JobRules, WhatADeviceCannotTrainIsRefused) {
  const auto on_device = [](void (*change)(Job&)) {
    Job job = exact();
    job.run.device = "cuda";
    change(job);
    return job;
  };
  check_fit(on_device([](Job&) {}));
  check_fit(on_device([](Job& job) { job.model.name = "rescal"; }));
  check_fit(on_device([](Job& job) { job.relation_prediction.weight = 1; }));
  check_fit(on_device([](Job& job) {
    job.model.name = "tucker";
    job.loss.name = "bce";
    job.loss.smoothing = 0.1;
    job.dropout = {.entity = 0.2, .relation = 0.1};
  }));
  check_fit(on_device([](Job& job) {
    job.model.name = "transe_l1";
    job.train.group_queries = false;
    job.exchange.staleness = 1;
  }));
  check_fit(on_device([](Job& job) {
    job.loss.name = "margin";
    job.negatives.scope = "part";
    job.train.group_queries = false;
  }));
  check_fit(on_device([](Job& job) {
    job.exchange.mode = "rows";
    job.exchange.scores = "recompute";
    job.train.group_queries = false;
  }));
  refuse(on_device([](Job& job) { job.exchange.scores = "recompute"; }),
         {"run.device 'cuda' does not fit", "recompute", "run.device=cpu"});
}

TEST(JobRules, SmallRowsFitEverywhereButAverages) {
  for (const char* rows : {"bf16", "fp16", "int8"})
    for (const char* device : {"cpu", "cuda"}) {
      Job job = exact();
      job.run.rows = rows;
      job.run.device = device;
      check_fit(job);
      job.model.name = "rotate";
      job.train.group_queries = false;
      check_fit(job);
      job.average.decay = 0.9;
      refuse(job, {"run.rows '", rows, "average.decay 0.9", "run.rows=fp32"});
    }
}

TEST(JobRules, HotRowsNeedColumns) {
  Job job = exact();
  job.run.rows = "int8";
  job.model.dim = 2;
  refuse(job, {"run.rows 'int8'", "memory.hot_rows 0.02", "model.dim of 4", "not 2", "memory.hot_rows=0"});
  job.memory.hot_rows = 0;
  check_fit(job);
}

TEST(JobRules, StatesIn8BitsAreOfAdagrad) {
  for (const char* name : {"adam", "sgd", "rowwise_adagrad"}) {
    Job job = exact();
    job.optimiser.state = "log8";
    check_fit(job);
    job.optimiser.name = name;
    refuse(job, {"optimiser.state 'log8'", "'adagrad'", name, "optimiser.state=fp32"});
  }
}

TEST(JobRules, SettingsOfADeviceAreIdleWithoutOne) {
  Job job = exact();
  job.run.products = "tf32";
  job.run.device_memory = "1GiB";
  job.exchange.transport = "host";
  EXPECT_EQ(idle_settings(job),
            (std::vector<std::string>{"run.products (run.device is cpu)", "run.device_memory (run.device is cpu)",
                                      "exchange.transport (run.device is cpu)"}));
  job.run.device = "cuda";
  EXPECT_TRUE(idle_settings(job).empty());
  Job on_cpu = exact();
  for (const char* products : {"auto", "bf16", "fp32", "chain"}) {  // which a CPU has
    on_cpu.run.products = products;
    EXPECT_TRUE(idle_settings(on_cpu).empty()) << products;
  }
}

TEST(JobRules, SettingsWithoutEffectAreNamed) {
  EXPECT_TRUE(idle_settings({}).empty());
  Job job = exact();
  job.negatives.count = 7;
  job.regulariser.weight = 0.1;
  job.optimiser.beta2 = 0.5;
  const std::vector<std::string> idle = idle_settings(job);
  ASSERT_EQ(idle.size(), 3U);
  EXPECT_EQ(idle[0], "regulariser.weight (regulariser.name is none)");
  EXPECT_EQ(idle[1], "negatives.count (negatives.scope is all)");
  EXPECT_EQ(idle[2], "optimiser.beta2 (it is of adam)");
  job.regulariser = {"l2", 0, 3, 0.1};
  EXPECT_EQ(idle_settings(job).at(0), "regulariser.name (regulariser.weight is 0)");
  EXPECT_EQ(idle_settings(job).at(1), "regulariser.relation_weight (it is of ivr)");
  job.regulariser = {"l2", 0.1};
  job.optimiser.name = "adam";
  job.negatives.scope = "global";
  EXPECT_TRUE(idle_settings(job).empty());
}

TEST(JobRules, DistancesDoNotMoveQueries) {
  for (const char* name : {"transe_l1", "transe_l2", "rotate"}) {
    Job job;
    job.model.name = name;
    check_fit(job);
    job.exchange.mode = "queries";
    refuse(job, {"queries", name, "complex", "rescal"});
  }
}

TEST(JobRules, LossesAndCandidates) {
  Job binary;
  binary.loss.name = "bce";
  refuse(binary, {"bce", "negatives.scope=all", "train.group_queries=true"});
  binary = exact();
  binary.loss.name = "bce";
  check_fit(binary);
  binary.exchange.mode = "rows";
  refuse(binary, {"rows", "bce", "queries"});
  binary.exchange.mode = "auto";
  binary.model.name = "rotate";
  refuse(binary, {"rotate", "bce"});
  for (const char* name : {"margin", "self_adversarial"}) {
    Job job;
    job.loss.name = name;
    check_fit(job);
    job.exchange.mode = "queries";
    refuse(job, {name, "softmax", "bce"});
    job.exchange.mode = "rows";
    job.negatives.scope = "all";
    refuse(job, {name, "sampled"});
  }
  Job smoothed;
  smoothed.loss.smoothing = 0.1;
  refuse(smoothed, {"loss.smoothing", "bce"});
  Job grouped;
  grouped.train.group_queries = true;
  refuse(grouped, {"train.group_queries", "all", "global"});
}

TEST(JobRules, RelationPredictionNeedsALinearModelAndMovedQueries) {
  Job job;
  job.relation_prediction.weight = 1;
  check_fit(job);
  job.exchange.mode = "rows";
  refuse(job, {"relation_prediction", "queries"});
  job.exchange.mode = "auto";
  job.model.name = "transe_l2";
  refuse(job, {"relation_prediction", "transe_l2", "complex"});
}

TEST(JobRules, OnlyTuckERHasARelationDimOfItsOwn) {
  Job job;
  job.model.relation_dim = 30;
  refuse(job, {"model.relation_dim", "tucker", "complex", "128"});
  job.model.name = "tucker";
  check_fit(job);
  job.exchange.mode = "queries";
  job.relation_prediction.weight = 1;
  job.regulariser.name = "dura";
  check_fit(job);
}

TEST(JobRules, PhasesAreNotDropped) {
  Job job;
  job.dropout = {.entity = 0.1, .relation = 0.1};
  for (const char* name : {"complex", "transe_l1", "rescal", "tucker"}) {
    job.model.name = name;
    check_fit(job);
  }
  job.model.name = "rotate";
  refuse(job, {"dropout.relation", "rotate", "phases", "dropout.entity"});
  job.dropout.relation = 0;
  check_fit(job);
}

TEST(JobRules, ProductsNeedAProductModel) {
  Job job;
  job.model.name = "transe_l1";
  job.regulariser.name = "dura";
  refuse(job, {"dura", "transe_l1", "n3"});
  job.regulariser.name = "ivr";
  check_fit(job);
  job.regulariser.product_weight = 0.1;
  refuse(job, {"ivr", "transe_l1"});
}

TEST(JobRules, QueriesHaveNoStalenessAndNoPartScope) {
  Job job = exact();
  job.exchange.staleness = 1;
  refuse(job, {"staleness"});
  Job part;
  part.negatives.scope = "part";
  part.exchange.mode = "queries";
  refuse(part, {"negatives.scope", "part"});
}

graph::PartitionManifest manifest(std::uint64_t rows_per_part, std::uint32_t parts) {
  graph::PartitionManifest manifest;
  manifest.entity_count = rows_per_part * parts;
  manifest.relation_count = 1;
  for (std::uint32_t p = 0; p <= parts; ++p) manifest.offsets.push_back(p * rows_per_part);
  manifest.figures.resize(parts);
  for (graph::PartFigures& part : manifest.figures) part.queries = 1000;
  return manifest;
}

TEST(JobRules, AutoCountsBytes) {
  const graph::PartitionManifest large = manifest(1'000'000, 8);
  Job job;
  job.train.batch_size = 4096;
  job.negatives.count = 512;
  EXPECT_EQ(choose_exchange(job, large).mode, "rows");
  job.negatives.count = 100'000;
  EXPECT_EQ(choose_exchange(job, large).mode, "queries");
  job.negatives.scope = "all";
  EXPECT_EQ(choose_exchange(job, large).mode, "queries");
  EXPECT_NE(choose_exchange(job, large).reason.find("of queries"), std::string::npos);
  job.train.batch_size = 1 << 24;  // more queries than entities
  EXPECT_EQ(choose_exchange(job, large).mode, "rows");
}

TEST(JobRules, AutoTakesWhatFits) {
  const graph::PartitionManifest graph = manifest(1000, 4);
  EXPECT_EQ(choose_exchange(exact(), graph).mode, "queries");
  Job distance;
  distance.model.name = "rotate";
  distance.negatives.scope = "all";
  EXPECT_EQ(choose_exchange(distance, graph).mode, "rows");
  EXPECT_NE(choose_exchange(distance, graph).reason.find("rotate"), std::string::npos);
  EXPECT_EQ(choose_exchange(distance, graph, true).mode, "rows");
  Job sampled;  // of which a host moves rows
  sampled.negatives.count = 1;
  EXPECT_EQ(choose_exchange(sampled, graph).mode, "rows");
  EXPECT_EQ(choose_exchange(sampled, graph, true).mode, "queries");
  Job said;
  said.exchange.mode = "queries";
  EXPECT_EQ(choose_exchange(said, graph).mode, "queries");
}

TEST(JobRules, OfRanksWithAndWithoutADevice) {
  Job job;
  job.run.device = "auto";
  train::check_fit_of_ranks(job, 1, 3);
  job.model.name = "tucker";
  train::check_fit_of_ranks(job, 0, 3);
  train::check_fit_of_ranks(job, 3, 3);
  test::expect_error(ExitStatus::kUsage, {"tucker", "run.products=chain", "1 of 3 ranks"},
                     [&] { train::check_fit_of_ranks(job, 1, 3); });
  job.run.products = "chain";
  train::check_fit_of_ranks(job, 1, 3);
}

}  // namespace
}  // namespace tessera::train
