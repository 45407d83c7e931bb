// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// How ranking and answering are cut to the memory of a device.
#include "search/plan.hpp"

#include "core/error.hpp"
#include "search/answerer.hpp"
#include "search/ranker.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace tessera::test {
namespace {

using kernels::Products;
using kernels::Space;
using search::AnswerPlan;
using search::AnswerSizes;
using search::Plan;
using search::Sizes;

std::uint64_t all_bytes(const Sizes& sizes, const Plan& plan) {
  return search::RankerOn<Space::kDevice>::bytes(sizes, plan) + search::executor_bytes(sizes, plan);
}
std::uint64_t all_bytes(const AnswerSizes& sizes, const AnswerPlan& plan) {
  return search::AnswererOn<Space::kDevice>::bytes(sizes, plan) + search::executor_bytes(sizes.sizes, plan.pieces);
}

/// Enough for the queries of a block, and for cuBLAS, which has 32 MiB of its own.
std::uint64_t least_room(const Sizes& sizes) {
  return sizes.block_queries * sizes.dim * sizeof(float) + (std::uint64_t{40} << 20U);
}

TEST(RankingPlan, FitsTheRoomAndPrefersAllRows) {
  for (const Products products : {Products::kChain, Products::kTf32, Products::kBfloat16})
    for (const Sizes& sizes : {Sizes{4096, 14541, 2000, products}, {64, 1000000, 100, products}, {1, 1, 1, products}}) {
      const std::uint64_t rows_bytes = sizes.rows * sizes.dim * sizeof(float);
      std::uint64_t least_resident = UINT64_MAX;
      for (std::uint64_t room = std::uint64_t{64} << 30U; room > 1000; room = room / 8 * 7) {
        Plan plan;
        try {
          plan = plan_ranking(sizes, room);
        } catch (const Error& error) {
          EXPECT_EQ(error.status(), ExitStatus::kOverBudget);
          EXPECT_LT(room, least_room(sizes));
          break;
        }
        ASSERT_LE(all_bytes(sizes, plan), room);
        ASSERT_GE(plan.queries, 1U);
        ASSERT_LE(plan.queries, sizes.block_queries);
        ASSERT_GE(plan.window_rows, 1U);
        ASSERT_LE(plan.window_rows, sizes.rows);
        ASSERT_EQ(plan.tile_rows > 0, products != Products::kChain);
        ASSERT_LE(plan.tile_rows, plan.window_rows);
        if (plan.window_rows == sizes.rows) least_resident = room;
      }
      EXPECT_LT(least_resident, 4 * rows_bytes + (std::uint64_t{64} << 20U));
    }
}

TEST(RankingPlan, RowsThatAreThereTakeNoMemory) {
  Sizes sizes{4096, 14541, 2000, Products::kBfloat16};
  const Plan plan = plan_ranking(sizes, std::uint64_t{8} << 30U);
  const std::uint64_t uploaded = all_bytes(sizes, plan);
  sizes.borrows = true;
  EXPECT_EQ(uploaded - all_bytes(sizes, plan), (14541 * 2000 * 4 + 255) / 256 * 256);
  sizes.rows = 1'000'000;  // 8 GB
  EXPECT_EQ(plan_ranking(sizes, std::uint64_t{1} << 30U).window_rows, sizes.rows);
}

TEST(RankingPlan, RefusesWhatDoesNotFit) {
  expect_error(ExitStatus::kOverBudget, {"counting candidates on the device needs at least", "run.device_memory"}, [] {
    (void)search::plan_ranking({4096, 1000, 100, Products::kBfloat16}, 1U << 20U);
  });
}

TEST(AnsweringPlan, FitsTheRoomAndPrefersAllRows) {
  for (const Products products : {Products::kChain, Products::kTf32, Products::kBfloat16})
    for (const bool omit : {false, true})
      for (const AnswerSizes& sizes : {AnswerSizes{{256, 14541, 2000, products}, 10, omit},
                                       {{64, 1000000, 100, products}, 1000, omit},
                                       {{1, 1, 1, products}, 1, omit}}) {
        const std::uint64_t rows_bytes = sizes.sizes.rows * sizes.sizes.dim * sizeof(float);
        std::uint64_t least_resident = UINT64_MAX;
        for (std::uint64_t room = std::uint64_t{64} << 30U; room > 1000; room = room / 8 * 7) {
          AnswerPlan plan;
          try {
            plan = plan_answering(sizes, room);
          } catch (const Error& error) {
            EXPECT_EQ(error.status(), ExitStatus::kOverBudget);
            EXPECT_LT(room, least_room(sizes.sizes));
            break;
          }
          ASSERT_LE(all_bytes(sizes, plan), room);
          ASSERT_GE(plan.pieces.queries, 1U);
          ASSERT_LE(plan.pieces.queries, sizes.sizes.block_queries);
          ASSERT_GE(plan.pieces.window_rows, 1U);
          ASSERT_LE(plan.pieces.window_rows, sizes.sizes.rows);
          ASSERT_GE(plan.pieces.tile_rows, 1U);
          ASSERT_LE(plan.pieces.tile_rows, plan.pieces.window_rows);
          ASSERT_GE(plan.keys, std::min(sizes.k, sizes.sizes.rows));
          ASSERT_EQ(plan.listed > 0, products != Products::kChain);
          if (plan.pieces.window_rows == sizes.sizes.rows) least_resident = room;
        }
        EXPECT_LT(least_resident, 4 * rows_bytes + (std::uint64_t{64} << 20U));
      }
}

TEST(AnsweringPlan, RefusesWhatDoesNotFit) {
  expect_error(ExitStatus::kOverBudget,
               {"searching answers on the device needs at least", "answer with run.device=cpu"}, [] {
                 (void)search::plan_answering({{256, 1000, 100, Products::kBfloat16}, 10}, 1U << 20U);
               });
}

}  // namespace
}  // namespace tessera::test
