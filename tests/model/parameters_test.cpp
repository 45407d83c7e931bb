// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// How rows are drawn: the moments and bounds that the job file's documentation gives.

#include "model/parameters.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>

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
  for (const kernels::Matrix table : {parameters.parts().front().rows, parameters.relations()}) {
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

}  // namespace
}  // namespace tessera::model
