// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Which elements dropout takes away, how often, and what the mask depends on.

#include "sampling/dropout.hpp"
#include "core/job.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tessera::sampling {
namespace {

constexpr std::size_t kDim = 10;  // no multiple of the four numbers that a block of random bits gives

class DropoutMasks : public testing::Test {
 protected:
  DropoutMasks() {
    job_.model = {"rescal", kDim, "normal", 0.5};
    job_.dropout = {.entity = 0.25, .relation = 0.5};
  }
  [[nodiscard]] std::vector<float> source(const OrderPosition& at, std::size_t index) {
    std::vector<float> row(kDim, 3.0F);
    Dropout(job_, parameters_, 1, pool_).mask_source(at, index, row.data());
    return row;
  }
  [[nodiscard]] std::vector<float> relation(const OrderPosition& at, std::size_t index) {
    std::vector<float> row(kDim * kDim, 3.0F);
    Dropout(job_, parameters_, 1, pool_).mask_operator(at, index, row.data());
    return row;
  }
  Job job_;

 private:
  test::StoredGraph stored_{test::random_graph({}), 1};
  memory::Pool pool_{std::uint64_t{16} << 20U};
  graph::Shard shard_ = stored_.load(Rank(0), 1, pool_);
  model::Parameters parameters_{shard_, {"rescal", kDim, "normal", 0.5}, model::StateShape::kNone, pool_};
};

TEST_F(DropoutMasks, DropAsOftenAsAskedAndKeepTheMean) {
  double dropped = 0;
  double sum = 0;
  constexpr std::size_t kQueries = 4000;
  for (std::size_t i = 0; i < kQueries; ++i)
    for (const float x : source({0, 0, 0}, i)) {
      EXPECT_TRUE(x == 0.0F || x == 4.0F) << x;  // 3 / (1 - 0.25)
      dropped += x == 0.0F ? 1 : 0;
      sum += static_cast<double>(x);
    }
  EXPECT_NEAR(dropped / (kQueries * kDim), 0.25, 0.01);  // 4.6 standard deviations
  EXPECT_NEAR(sum / (kQueries * kDim), 3, 0.04);
  double relations = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    const std::vector<float> row = relation({0, 0, 0}, i);
    EXPECT_EQ(std::count(row.begin(), row.end(), 6.0F) + std::count(row.begin(), row.end(), 0.0F), kDim * kDim);
    relations += static_cast<double>(std::count(row.begin(), row.end(), 0.0F));
  }
  EXPECT_NEAR(relations / (100 * kDim * kDim), 0.5, 0.025);
}

TEST_F(DropoutMasks, DependOnTheQueryAlone) {
  EXPECT_EQ(source({1, 2, 30}, 4), source({1, 2, 34}, 0));
  EXPECT_EQ(relation({1, 2, 30}, 4), relation({1, 2, 34}, 0));
  const std::vector<float> mask = relation({1, 2, 30}, 4);
  EXPECT_NE(relation({2, 2, 30}, 4), mask) << "epoch";
  EXPECT_NE(relation({1, 3, 30}, 4), mask) << "part";
  EXPECT_NE(relation({1, 2, 30}, 5), mask) << "query";
  job_.run.seed = 2;
  EXPECT_NE(relation({1, 2, 30}, 4), mask) << "seed";
}

TEST_F(DropoutMasks, ARateOfZeroDropsNothing) {
  job_.dropout = {};
  EXPECT_EQ(source({0, 0, 0}, 0), std::vector<float>(kDim, 3.0F));
  EXPECT_EQ(relation({0, 0, 0}, 0), std::vector<float>(kDim * kDim, 3.0F));
}

}  // namespace
}  // namespace tessera::sampling
