// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// One step against an independent oracle: the loss written out in double precision, its gradient by finite differences.

#include "comm/self/self_communicator.hpp"
#include "core/job.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"

#include <gtest/gtest.h>

#include <cmath>
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
      total += std::log(sum) - t;
    }
    return total / static_cast<double>(queries.size());
  }

  [[nodiscard]] double penalised(const Vector& x) const {
    double total = 0;
    for (const Query& query : queries)
      total += norm(&x[query.source.value() * kDim]) + norm(&x[query.target.value() * kDim]) +
               norm(&x[(entities + query.relation.value()) * kDim]);
    return loss(x) + kNormWeight * total / static_cast<double>(queries.size());
  }
};

class StepOracle : public testing::TestWithParam<std::string> {};

// Adagrad's state after one step is the squared gradient, and the row moves against it.
TEST_P(StepOracle, GradientsMatchFiniteDifferences) {
  test::GraphSpec spec;
  spec.entities = 20;
  spec.train = 60;
  const test::StoredGraph stored(test::random_graph(spec), 1);
  Job job;
  job.model = {GetParam(), kDim, "normal", 0.5};
  job.train.batch_size = 1000;  // one step
  job.negatives.count = 7;
  job.regulariser = {"n3", kNormWeight};
  job.optimiser.learning_rate = 1e-3;

  const auto comm = comm::make_self_communicator();
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool, train::halo_rows(shard, job));
  train::Engine engine(*comm, shard, job, parameters, 1, kernels::cpu_backend(), pool);
  parameters.initialise(job.model, job.run.seed);

  Vector x;
  const auto& table = parameters.parts().front();
  const auto append = [&](kernels::ConstMatrix m) { x.insert(x.end(), m.data, m.data + m.rows * m.cols); };
  append(table.rows);
  append(parameters.relations());
  train::Batch batch(shard.manifest, PartId(0), 1000, job.negatives.count, pool);
  const auto& queries = shard.parts[0].queries(graph::Split::kTrain);
  batch.draw(shard.parts[0], {job.run.seed, 0, 0, 0, queries.size(), false});
  Oracle oracle{GetParam(), spec.entities, {}, {}, std::log(20.0 / 7.0)};
  for (std::uint64_t i = 0; i < queries.size(); ++i) oracle.queries.push_back(queries.query(i));
  for (const std::uint32_t row : batch.negative_rows()) oracle.negatives.push_back(row);

  EXPECT_NEAR(engine.run_epoch(0), oracle.loss(x), 1e-5);
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

INSTANTIATE_TEST_SUITE_P(Models, StepOracle, testing::Values("complex", "distmult", "transe_l1", "transe_l2"));

}  // namespace
}  // namespace tessera
