// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// How rows are drawn: the moments and bounds that the job file's documentation gives.

#include "model/parameters.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace tessera::model {
namespace {

constexpr std::size_t kDim = 48;

struct Moments {
  double mean = 0;
  double deviation = 0;
  double largest = 0;
};

Moments moments(kernels::ConstMatrix rows) {
  Moments m;
  const std::size_t n = rows.rows * rows.cols;
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = rows.data[i];
    m.mean += x / static_cast<double>(n);
    squares += x * x / static_cast<double>(n);
    m.largest = std::max(m.largest, std::abs(x));
  }
  m.deviation = std::sqrt(squares - m.mean * m.mean);
  return m;
}

struct Init {
  const char* name;
  double deviation;
  double half_width;  ///< 0: unbounded
};
std::ostream& operator<<(std::ostream& out, const Init& init) { return out << init.name; }

class Initialise : public testing::TestWithParam<Init> {};

TEST_P(Initialise, HasTheMomentsOfItsFormula) {
  const test::StoredGraph stored(test::random_graph({.entities = 600, .relations = 100}), 1);
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  const Job::Model job{"distmult", kDim, GetParam().name, 0.25};
  Parameters parameters(shard, job, StateShape::kNone, pool);
  parameters.initialise(job, 1);
  for (const kernels::Matrix table : {parameters.parts().front().rows.matrix(), parameters.relations()}) {
    const Moments m = moments(table);
    EXPECT_NEAR(m.mean, 0, 0.05 * GetParam().deviation);
    EXPECT_NEAR(m.deviation, GetParam().deviation, 0.03 * GetParam().deviation);
    if (GetParam().half_width > 0) {
      EXPECT_LE(m.largest, GetParam().half_width * (1 + 1e-7));
      EXPECT_GE(m.largest, GetParam().half_width * 0.99);
    } else {
      EXPECT_GE(m.largest, 3 * GetParam().deviation);
    }
  }
}

// Standard deviation of a uniform number: half width / sqrt(3).
INSTANTIATE_TEST_SUITE_P(Parameters, Initialise,
                         testing::Values(Init{"normal", 0.25, 0}, Init{"uniform", 0.25 / std::sqrt(3), 0.25},
                                         Init{"xavier_normal", std::sqrt(1.0 / kDim), 0},
                                         Init{"xavier_uniform", std::sqrt(1.0 / kDim), std::sqrt(3.0 / kDim)}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// M = sum_a r[a] W[a] for a core of two matrices, and q = s M.
TEST(Core, HandValues) {
  const test::StoredGraph stored(test::random_graph({.relations = 1}), 1);
  memory::Pool pool(std::uint64_t{1} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  const Job::Model job{"tucker", 2, "normal", 0.5, 2};
  const Parameters parameters(shard, job, StateShape::kNone, pool);
  ASSERT_EQ(parameters.core().rows, 2U);
  ASSERT_EQ(parameters.core().cols, 4U);
  const std::vector<float> core = {1, 2, 3, 4, 0, 1, -1, 0};
  std::copy(core.begin(), core.end(), parameters.core().data);
  const std::vector<float> relations = {2, 3, 1, -1};
  std::copy(relations.begin(), relations.end(), parameters.relations().data);
  const std::vector<std::uint32_t> last = {1};
  for (const kernels::Backend* backend : {&kernels::reference_backend(), &kernels::cpu_backend()}) {
    parameters.make_operators(*backend, 2);
    const float* operators = parameters.operators().data;
    EXPECT_EQ(std::vector<float>(operators, operators + 8), (std::vector<float>{2, 7, 3, 8, 1, 1, 4, 4}));
  }
  parameters.relations().row(0)[0] = 0;
  parameters.relations().row(1)[0] = 0;
  parameters.make_operators(last, kernels::cpu_backend(), 1);
  const float* operators = parameters.operators().data;
  EXPECT_EQ(std::vector<float>(operators, operators + 8), (std::vector<float>{2, 7, 3, 8, 0, -1, 1, 0}));

  const std::vector<float> source = {5, 1};
  std::vector<float> query(2);
  const std::vector<std::uint32_t> first = {0};
  parameters.scorer().compose({source.data(), 1, 2, 2}, parameters.operators(), first, {query.data(), 1, 2, 2});
  EXPECT_EQ(query, (std::vector<float>{13, 43}));
}

// More relations and columns than a tile has, none of them a multiple of it.
TEST(Core, OperatorsAreTheProductWhateverTheTiles) {
  const test::StoredGraph stored(test::random_graph({.relations = 70}), 1);
  memory::Pool pool(std::uint64_t{16} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  const Job::Model job{"tucker", 19, "xavier_normal", 0, 5};
  Parameters parameters(shard, job, StateShape::kNone, pool);
  parameters.initialise(job, 1);
  parameters.make_operators(kernels::cpu_backend(), 3);
  for (std::size_t r = 0; r < parameters.relations().rows; ++r)
    for (std::size_t k = 0; k < parameters.core().cols; ++k) {
      double sum = 0;
      for (std::size_t a = 0; a < 5; ++a)
        sum += static_cast<double>(parameters.relations().row(r)[a]) * static_cast<double>(parameters.core().row(a)[k]);
      EXPECT_NEAR(parameters.operators().row(r)[k], sum, 1e-6) << r << ", " << k;
    }
}

TEST(Core, IsDrawnFromMinusOneToOneWhateverTheRowsAre) {
  const test::StoredGraph stored(test::random_graph({}), 1);
  memory::Pool pool(std::uint64_t{16} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  const Job::Model job{"tucker", 40, "normal", 0.01};
  Parameters parameters(shard, job, StateShape::kNone, pool);
  parameters.initialise(job, 1);
  EXPECT_EQ(parameters.relations().cols, 40U);
  const Moments m = moments(parameters.core());
  EXPECT_NEAR(m.mean, 0, 0.01);
  EXPECT_NEAR(m.deviation, 1 / std::sqrt(3), 0.01);
  EXPECT_GT(m.largest, 0.999);
  EXPECT_LE(m.largest, 1);
}

}  // namespace
}  // namespace tessera::model
