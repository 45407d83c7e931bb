// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// One step of every model, loss and regulariser against an independent oracle: the loss written out in double
// precision, its gradient by finite differences.

#include "comm/self/self_communicator.hpp"
#include "core/job.hpp"
#include "core/random.hpp"
#include "sampling/dropout.hpp"
#include "sampling/query_batch.hpp"
#include "sampling/row_batch.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"
#include "train/loop/job_rules.hpp"
#include "train/oracle.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <initializer_list>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace tessera {
namespace {

using test::Oracle;
using test::Vector;

constexpr std::size_t kDim = 4;

struct Case {
  std::string name;
  void (*change)(Job&);
};
std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

Job base_job() {
  Job job;
  job.model = {"complex", kDim, "normal", 0.5};
  job.train.batch_size = 1000;  // one step
  job.negatives.count = 7;
  job.loss.margin = 0.7;
  job.regulariser.name = "n3";
  job.regulariser.weight = 0.05;
  job.optimiser.learning_rate = 1e-3;
  job.exchange.mode = "rows";
  return job;
}

void move_queries(Job& job) {
  job.exchange.mode = "queries";
  job.negatives.scope = "all";
}

void tucker(Job& job) {
  job.model.name = "tucker";
  job.model.relation_dim = 3;
}

void drop(Job& job) { job.dropout = {.entity = 0.3, .relation = 0.4}; }

void group(Job& job) {
  move_queries(job);
  job.train.group_queries = true;
}

// The negatives of the only step, and how many entities each stands for.
void find_negatives(const Job& job, const graph::Shard& shard, memory::Pool& pool, Oracle& oracle) {
  const graph::Part& part = shard.parts[0];
  const std::uint64_t count = part.queries(graph::Split::kTrain).size();
  if (job.negatives.scope == "all") {
    for (std::uint64_t e = 0; e < shard.manifest.entity_count; ++e) oracle.negatives.push_back(e);
    return;
  }
  if (job.negatives.unbiased)
    oracle.shift =
        std::log(static_cast<double>(shard.manifest.entity_count) / static_cast<double>(job.negatives.count));
  sampling::ItemOrder items(part, {count, 0, 1}, pool);
  if (job.exchange.mode == "rows") {
    sampling::RowBatch batch(shard.manifest, PartId(0), {count, job.negatives.count}, pool);
    batch.draw(part, items, {job.run.seed, 0, 0, 0, count, sampling::Scope::kGlobal});
    oracle.negatives.assign(batch.negative_rows().begin(), batch.negative_rows().end());
  } else {
    sampling::QueryBatch batch(shard.manifest, PartId(0), {count, count, job.negatives.count}, pool);
    batch.draw(part, items, {job.run.seed, 0, 0, 0, count});
    oracle.negatives.assign(batch.candidates().begin(), batch.candidates().end());
  }
}

// The masks of the only step: queries stand in the order of the epoch's permutation of items.
void find_masks(const Job& job, const graph::Shard& shard, const model::Parameters& parameters, memory::Pool& pool,
                Oracle& oracle) {
  const auto& queries = shard.parts[0].queries(graph::Split::kTrain);
  const auto self = comm::make_self_communicator();
  const sampling::ItemCount count = sampling::count_items(*self, shard, job).front();
  sampling::ItemOrder items(shard.parts[0], {queries.size(), sampling::most_answers(job), count.largest}, pool);
  ASSERT_EQ(items.seek(job.run.seed, 0, 0), count.items) << "one group of chunks";
  const sampling::Dropout dropout(job, parameters, 1, pool);
  oracle.source_masks.resize(queries.size());
  oracle.operator_masks.resize(queries.size());
  for (std::uint64_t i = 0; i < count.items; ++i) {
    std::vector<float> source(job.model.dim, 1.0F);
    std::vector<float> relation(parameters.operators().cols, 1.0F);
    dropout.mask_source({0, 0, 0}, i, source.data());
    dropout.mask_operator({0, 0, 0}, i, relation.data());
    const sampling::ItemOrder::Item item = items.item(i);
    for (std::uint32_t k = item.first; k < item.first + item.count; ++k) {
      oracle.source_masks[k].assign(source.begin(), source.end());
      oracle.operator_masks[k].assign(relation.begin(), relation.end());
    }
  }
}

Vector flat(std::initializer_list<kernels::ConstMatrix> tables) {
  Vector x;
  for (const kernels::ConstMatrix& table : tables) x.insert(x.end(), table.data, table.data + table.rows * table.cols);
  return x;
}

// Each query as often as its triple's weight says, in halves: a mean over them is what weights stand for.
void repeat(const test::StoredGraph& stored, Oracle& oracle) {
  const test::TestGraph& graph = stored.graph();
  const auto relations = static_cast<std::uint32_t>(graph.relations);
  std::map<std::array<std::uint64_t, 3>, float> weights;
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    const Triple& triple = graph.split(graph::Split::kTrain)[i];
    const std::uint64_t head = stored.global_id(triple.head.value()).value();
    const std::uint64_t tail = stored.global_id(triple.tail.value()).value();
    weights[{head, triple.relation.value(), tail}] = graph.weights[i];
    weights[{tail, triple.relation.value() + relations, head}] = graph.weights[i];
  }
  const Oracle once = oracle;
  oracle.queries.clear();
  oracle.source_masks.clear();
  oracle.operator_masks.clear();
  for (std::size_t i = 0; i < once.queries.size(); ++i) {
    const Query& query = once.queries[i];
    const float weight = weights.at({query.source.value(), query.relation.value(), query.target.value()});
    for (int times = 0; times < static_cast<int>(2 * weight); ++times) {
      oracle.queries.push_back(query);
      oracle.source_masks.push_back(once.source_masks[i]);
      oracle.operator_masks.push_back(once.operator_masks[i]);
    }
  }
}

class StepOracle : public testing::TestWithParam<Case> {};

class WeightedStepOracle : public StepOracle {};

// Adagrad's state after one step is the squared gradient, and the row moves against it.
void compare_with_oracle(const Case& tested, bool is_weighted) {
  test::GraphSpec spec;
  spec.entities = 20;
  spec.train = 60;
  test::TestGraph graph = test::random_graph(spec);
  if (is_weighted) test::add_weights(graph);
  const test::StoredGraph stored(std::move(graph), 1);
  Job job = base_job();
  tested.change(job);
  train::check_fit(job);

  const auto comm = comm::make_self_communicator();
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool, train::row_memory(shard, job));
  const auto engine = train::make_engine(
      {*comm, shard, job, parameters, 1, kernels::cpu_backend(), pool, sampling::count_items(*comm, shard, job)});
  parameters.initialise(job.model, job.run.seed);
  const auto& table = parameters.parts().front();
  const Vector x = flat({table.rows.matrix(), parameters.relations(), parameters.core()});

  Oracle oracle(job, spec.entities, parameters.relations().rows, parameters.relations().cols);
  find_negatives(job, shard, pool, oracle);
  find_masks(job, shard, parameters, pool, oracle);
  const auto& queries = shard.parts[0].queries(graph::Split::kTrain);
  for (std::uint64_t i = 0; i < queries.size(); ++i) oracle.queries.push_back(queries.query(i));
  if (is_weighted) repeat(stored, oracle);
  oracle.freeze(x);

  const double expected = oracle.loss(x);
  EXPECT_NEAR(engine->run_epoch(0), expected, 1e-5 * std::max(1.0, expected));
  const Vector state = flat({table.state.matrix(), parameters.relation_state(), parameters.core_state()});
  const Vector moved = flat({table.rows.matrix(), parameters.relations(), parameters.core()});
  ASSERT_EQ(state.size(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    constexpr double kStep = 1e-6;
    Vector up = x;
    Vector down = x;
    up[i] += kStep;
    down[i] -= kStep;
    const double gradient = (oracle.penalised(up) - oracle.penalised(down)) / (2 * kStep);
    EXPECT_NEAR(std::sqrt(state[i]), std::fabs(gradient), 2e-6 * std::max(1.0, std::fabs(gradient))) << "element " << i;
    if (std::fabs(gradient) > 1e-5) {
      EXPECT_LT((moved[i] - x[i]) * gradient, 0) << "element " << i;
    }
  }
}

TEST_P(StepOracle, GradientsMatchFiniteDifferences) { compare_with_oracle(GetParam(), false); }

TEST_P(WeightedStepOracle, GradientsAreThoseOfRepeatedTriples) { compare_with_oracle(GetParam(), true); }

// NOLINTBEGIN(cert-err58-cpp): a list of cases
const std::vector<Case> kModels = {
    {"ComplEx", [](Job&) {}},
    {"DistMult", [](Job& job) { job.model.name = "distmult"; }},
    {"TransEL1", [](Job& job) { job.model.name = "transe_l1"; }},
    {"TransEL2", [](Job& job) { job.model.name = "transe_l2"; }},
    {"RotatE", [](Job& job) { job.model.name = "rotate"; }},
    {"Rescal", [](Job& job) { job.model.name = "rescal"; }},
    {"Cp", [](Job& job) { job.model.name = "cp"; }},
    {"SimplE", [](Job& job) { job.model.name = "simple"; }},
    {"QuatE", [](Job& job) { job.model.name = "quate"; }},
    {"TuckER", tucker},
};

const std::vector<Case> kRows = {
    {"All", [](Job& job) { job.negatives.scope = "all"; }},
    {"Margin", [](Job& job) { job.loss.name = "margin"; }},
    {"SelfAdversarial", [](Job& job) { job.loss.name = "self_adversarial"; }},
    {"SelfAdversarialRotatE",
     [](Job& job) {
       job.loss.name = "self_adversarial";
       job.loss.temperature = 0.5;
       job.model.name = "rotate";
     }},
    {"L2", [](Job& job) { job.regulariser.name = "l2"; }},
    {"Dura", [](Job& job) { job.regulariser.name = "dura"; }},
    {"Ivr",
     [](Job& job) {
       job.regulariser = {
           .name = "ivr", .weight = 0.01, .power = 2.25, .relation_weight = 0.02, .product_weight = 0.03};
     }},
    {"Dropout", drop},
    {"DropoutTransE",
     [](Job& job) {
       drop(job);
       job.model.name = "transe_l2";
     }},
    {"DropoutRotatE",
     [](Job& job) {
       job.dropout.entity = 0.5;
       job.model.name = "rotate";
     }},
    {"DropoutTuckER",
     [](Job& job) {
       drop(job);
       tucker(job);
     }},
};

const std::vector<Case> kQueries = {
    {"Exact", [](Job& job) { move_queries(job); }},
    {"ExactDistMult",
     [](Job& job) {
       move_queries(job);
       job.model.name = "distmult";
     }},
    {"ExactRescal",
     [](Job& job) {
       move_queries(job);
       job.model.name = "rescal";
     }},
    {"Grouped", [](Job& job) { group(job); }},
    {"Binary",
     [](Job& job) {
       group(job);
       job.loss.name = "bce";
     }},
    {"BinarySmoothed",
     [](Job& job) {
       group(job);
       job.loss.name = "bce";
       job.loss.smoothing = 0.2;
     }},
    {"RelationPrediction",
     [](Job& job) {
       move_queries(job);
       job.relation_prediction.weight = 0.5;
     }},
    {"RelationPredictionCp",
     [](Job& job) {
       group(job);
       job.model.name = "cp";
       job.relation_prediction.weight = 2;
     }},
    {"DuraGrouped",
     [](Job& job) {
       group(job);
       job.regulariser.name = "dura";
     }},
    {"Sampled",
     [](Job& job) {
       move_queries(job);
       job.negatives.scope = "global";
     }},
    {"TuckERExact",
     [](Job& job) {
       move_queries(job);
       tucker(job);
     }},
    {"TuckERBinary",
     [](Job& job) {
       group(job);
       tucker(job);
       job.model.relation_dim = 0;
       job.loss.name = "bce";
     }},
    {"TuckERRelationPrediction",
     [](Job& job) {
       group(job);
       tucker(job);
       job.relation_prediction.weight = 0.5;
     }},
    {"TuckERIvr",
     [](Job& job) {
       move_queries(job);
       tucker(job);
       job.regulariser = {
           .name = "ivr", .weight = 0.01, .power = 2.25, .relation_weight = 0.02, .product_weight = 0.03};
     }},
    {"DropoutExact",
     [](Job& job) {
       move_queries(job);
       drop(job);
     }},
    {"DropoutSampledDura",
     [](Job& job) {
       move_queries(job);
       drop(job);
       job.negatives.scope = "global";
       job.regulariser.name = "dura";
     }},
    {"DropoutGroupedTuckERRelationPrediction",
     [](Job& job) {
       group(job);
       tucker(job);
       drop(job);
       job.relation_prediction.weight = 0.5;
     }},
    {"DropoutRescal",
     [](Job& job) {
       move_queries(job);
       drop(job);
       job.model.name = "rescal";
     }},
    {"SampledBiased",
     [](Job& job) {
       move_queries(job);
       job.negatives.scope = "global";
       job.negatives.unbiased = false;
     }},
};
// NOLINTEND(cert-err58-cpp)

std::string name_of(const testing::TestParamInfo<Case>& tested) { return tested.param.name; }
INSTANTIATE_TEST_SUITE_P(Models, StepOracle, testing::ValuesIn(kModels), name_of);
INSTANTIATE_TEST_SUITE_P(MovingRows, StepOracle, testing::ValuesIn(kRows), name_of);
INSTANTIATE_TEST_SUITE_P(MovingQueries, StepOracle, testing::ValuesIn(kQueries), name_of);

// A binary cross entropy weighs no triples.
std::vector<Case> weighted_queries() {
  std::vector<Case> cases = kQueries;
  std::erase_if(cases, [](const Case& tested) { return tested.name.find("Binary") != std::string::npos; });
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Models, WeightedStepOracle, testing::ValuesIn(kModels), name_of);
INSTANTIATE_TEST_SUITE_P(MovingRows, WeightedStepOracle, testing::ValuesIn(kRows), name_of);
INSTANTIATE_TEST_SUITE_P(MovingQueries, WeightedStepOracle, testing::ValuesIn(weighted_queries()), name_of);

}  // namespace
}  // namespace tessera
