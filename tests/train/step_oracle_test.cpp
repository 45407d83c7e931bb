// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// One step against an independent oracle: the loss written out in double precision, its gradient by finite differences.

#include "comm/self/self_communicator.hpp"
#include "core/job.hpp"
#include "support/graph_fixture.hpp"
#include "train/batch.hpp"
#include "train/engine.hpp"
#include "train/query_batch.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <vector>

namespace tessera {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t kDim = 4;
constexpr double kNormWeight = 0.05;

// Rows of entities, then of directed relations, flattened.
struct Oracle {
  std::string model;
  std::size_t entities;
  std::vector<Query> queries;
  std::vector<std::uint64_t> negatives;
  double shift;
  double relation_weight;  // of the relation among all, given source and target

  [[nodiscard]] Vector compose(const Vector& x, const Query& query) const {
    const double* s = &x[query.source.value() * kDim];
    const double* r = &x[(entities + query.relation.value()) * kDim];
    if (model == "distmult") return {s[0] * r[0], s[1] * r[1], s[2] * r[2], s[3] * r[3]};
    if (model == "complex")
      return {s[0] * r[0] - s[2] * r[2], s[1] * r[1] - s[3] * r[3], s[0] * r[2] + s[2] * r[0],
              s[1] * r[3] + s[3] * r[1]};
    return {s[0] + r[0], s[1] + r[1], s[2] + r[2], s[3] + r[3]};
  }

  [[nodiscard]] double score(const Vector& q, const double* e) const {
    double dot = 0;
    double l1 = 0;
    double l2 = 0;
    for (std::size_t k = 0; k < kDim; ++k) {
      dot += q[k] * e[k];
      l1 += std::fabs(q[k] - e[k]);
      l2 += (q[k] - e[k]) * (q[k] - e[k]);
    }
    if (model == "transe_l1") return -l1;
    return model == "transe_l2" ? -std::sqrt(l2) : dot;
  }

  // N3 on complex moduli for ComplEx, on reals for the others.
  [[nodiscard]] double norm(const double* e) const {
    double sum = 0;
    if (model == "complex")
      for (std::size_t k = 0; k < 2; ++k) sum += std::pow(std::hypot(e[k], e[k + 2]), 3);
    else
      for (std::size_t k = 0; k < kDim; ++k) sum += std::pow(std::fabs(e[k]), 3);
    return sum;
  }

  [[nodiscard]] double loss(const Vector& x) const {
    double total = 0;
    for (const Query& query : queries) {
      const Vector q = compose(x, query);
      const double* target = &x[query.target.value() * kDim];
      const double t = score(q, target);
      double sum = std::exp(t);
      for (const std::uint64_t e : negatives)
        if (e != query.target.value()) sum += std::exp(score(q, &x[e * kDim]) + shift);
      total += std::log(sum) - t + relation_weight * relation_loss(x, query);
    }
    return total / static_cast<double>(queries.size());
  }

  [[nodiscard]] double relation_loss(const Vector& x, const Query& query) const {
    const double* target = &x[query.target.value() * kDim];
    double sum = 0;
    for (std::uint32_t r = 0; r < x.size() / kDim - entities; ++r)
      sum += std::exp(score(compose(x, {query.source, RelationId(r), query.target}), target));
    return std::log(sum) - score(compose(x, query), target);
  }

  [[nodiscard]] double penalised(const Vector& x) const {
    double total = 0;
    for (const Query& query : queries)
      total += norm(&x[query.source.value() * kDim]) + norm(&x[query.target.value() * kDim]) +
               norm(&x[(entities + query.relation.value()) * kDim]);
    return loss(x) + kNormWeight * total / static_cast<double>(queries.size());
  }
};

struct Case {
  std::string model;
  std::string mode;
  std::string scope;
  bool grouped = false;
  double relation_weight = 0;
};
std::ostream& operator<<(std::ostream& out, const Case& tested) {
  return out << tested.model << "_" << tested.mode << "_" << tested.scope << (tested.grouped ? "_grouped" : "")
             << (tested.relation_weight > 0 ? "_relations" : "");
}

// The negatives of the only step, and how many entities each stands for.
void find_negatives(const Case& tested, const graph::Shard& shard, const Job& job, memory::Pool& pool,
                    std::vector<std::uint64_t>& negatives, double& shift) {
  const graph::Part& part = shard.parts[0];
  const std::uint64_t count = part.queries(graph::Split::kTrain).size();
  if (tested.scope == "all") {
    for (std::uint64_t e = 0; e < shard.manifest.entity_count; ++e) negatives.push_back(e);
    return;
  }
  shift = std::log(static_cast<double>(shard.manifest.entity_count) / static_cast<double>(job.negatives.count));
  if (tested.mode == "rows") {
    train::Batch batch(shard.manifest, PartId(0), count, job.negatives.count, pool);
    batch.draw(part, {job.run.seed, 0, 0, 0, count, train::Scope::kGlobal});
    negatives.assign(batch.negative_rows().begin(), batch.negative_rows().end());
  } else {
    train::QueryBatch batch(shard.manifest, PartId(0), {count, count, job.negatives.count}, pool);
    batch.draw(part, train::QueryItems(part.queries(graph::Split::kTrain)), {job.run.seed, 0, 0, 0, count});
    negatives.assign(batch.candidates().begin(), batch.candidates().end());
  }
}

class StepOracle : public testing::TestWithParam<Case> {};

// Adagrad's state after one step is the squared gradient, and the row moves against it.
TEST_P(StepOracle, GradientsMatchFiniteDifferences) {
  test::GraphSpec spec;
  spec.entities = 20;
  spec.train = 60;
  const test::StoredGraph stored(test::random_graph(spec), 1);
  Job job;
  job.model = {GetParam().model, kDim, "normal", 0.5};
  job.train.batch_size = 1000;  // one step
  job.train.group_queries = GetParam().grouped;
  job.relation_prediction.weight = GetParam().relation_weight;
  job.negatives.count = 7;
  job.negatives.scope = GetParam().scope;
  job.exchange.mode = GetParam().mode;
  job.regulariser = {"n3", kNormWeight};
  job.optimiser.learning_rate = 1e-3;

  const auto comm = comm::make_self_communicator();
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool, train::halo_rows(shard, job));
  const auto engine = train::make_engine({*comm, shard, job, parameters, 1, kernels::cpu_backend(), pool,
                                          train::count_items(*comm, shard, job.train.group_queries)});
  parameters.initialise(job.model, job.run.seed);

  Vector x;
  const auto& table = parameters.parts().front();
  const auto append = [&](kernels::ConstMatrix m) { x.insert(x.end(), m.data, m.data + m.rows * m.cols); };
  append(table.rows);
  append(parameters.relations());
  const auto& queries = shard.parts[0].queries(graph::Split::kTrain);
  Oracle oracle{GetParam().model, spec.entities, {}, {}, 0, GetParam().relation_weight};
  find_negatives(GetParam(), shard, job, pool, oracle.negatives, oracle.shift);
  for (std::uint64_t i = 0; i < queries.size(); ++i) oracle.queries.push_back(queries.query(i));

  EXPECT_NEAR(engine->run_epoch(0), oracle.loss(x), 1e-5);
  Vector state;
  Vector moved;
  for (const kernels::ConstMatrix m :
       {kernels::ConstMatrix(table.state), kernels::ConstMatrix(parameters.relation_state())})
    state.insert(state.end(), m.data, m.data + m.rows * m.cols);
  for (const kernels::ConstMatrix m : {kernels::ConstMatrix(table.rows), kernels::ConstMatrix(parameters.relations())})
    moved.insert(moved.end(), m.data, m.data + m.rows * m.cols);
  ASSERT_EQ(state.size(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    constexpr double kStep = 1e-6;
    Vector up = x;
    Vector down = x;
    up[i] += kStep;
    down[i] -= kStep;
    const double gradient = (oracle.penalised(up) - oracle.penalised(down)) / (2 * kStep);
    EXPECT_NEAR(std::sqrt(state[i]), std::fabs(gradient), 2e-6) << "element " << i;
    if (std::fabs(gradient) > 1e-5) {
      EXPECT_LT((moved[i] - x[i]) * gradient, 0) << "element " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, StepOracle,
                         testing::Values(Case{"complex", "rows", "global"}, Case{"distmult", "rows", "global"},
                                         Case{"transe_l1", "rows", "global"}, Case{"transe_l2", "rows", "global"},
                                         Case{"complex", "rows", "all"}, Case{"transe_l2", "rows", "all"},
                                         Case{"complex", "queries", "all"}, Case{"distmult", "queries", "all"},
                                         Case{"complex", "queries", "all", true},
                                         Case{"complex", "queries", "all", false, 0.5},
                                         Case{"distmult", "queries", "all", true, 2.0},
                                         Case{"complex", "queries", "global"}, Case{"distmult", "queries", "global"}),
                         [](const auto& tested) { return testing::PrintToString(tested.param); });

}  // namespace
}  // namespace tessera
