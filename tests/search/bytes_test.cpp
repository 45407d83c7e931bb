// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What is planned is what is taken of the pool, byte for byte.
#include "comm/thread/thread_communicator.hpp"
#include "search/answerer.hpp"
#include "search/query_vectors.hpp"
#include "search/ranker.hpp"
#include "support/model_fixture.hpp"
#include "support/search_on_host.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace tessera::test {
namespace {

using execution::HostThreads;
using kernels::GridOrder;

/// Calls use(setup, pool) with a model on one rank whose host has 3 threads.
void with_model(const std::function<void(const search::Setup&, const memory::Pool&)>& use,
                kernels::RowFormat format = kernels::RowFormat::kFp32) {
  const StoredGraph stored(random_graph({.entities = 60, .relations = 3, .train = 200}), 3);
  comm::run_ranks(1, [&](comm::Communicator& comm) {
    memory::Pool pool(64U << 20U);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    ModelValues model;
    model.scorer = "complex";
    model.dim = 22;
    model::Parameters parameters(shard, model.job(), model::StateShape::kNone, pool, {.format = format});
    fill(model, shard, parameters);
    execution::HostExecutor host(pool, kernels::cpu_backend(), HostThreads(3));
    use({{comm, shard, host}, parameters}, pool);
  });
}

const std::vector<OnHost>& ways() {
  static const std::vector<OnHost> all = {
      {.backend = kernels::cpu_backend(), .threads = HostThreads(3), .borrows = true},
      {.backend = kernels::host_grid_backend(GridOrder::kForward)},
      {.backend = rounded_backend(GridOrder::kForward)},
      {.backend = rounded_backend(GridOrder::kForward), .borrows = true}};
  return all;
}

TEST(SearchBytes, OfARankerAreThoseOfItsPlan) {
  with_model([](const search::Setup& setup, const memory::Pool& pool) {
    for (const OnHost& how : ways())
      for (const search::Plan& pieces : {search::Plan{100, 60, 60}, search::Plan{7, 11, 5}, search::Plan{1, 1, 1}}) {
        const search::Sizes sizes = how.sizes(setup, 100);
        search::Plan plan = pieces;
        if (!sizes.screens()) plan.tile_rows = 0;
        const std::uint64_t before = pool.used_bytes();
        const auto ranker = rank_with(how, plan)(setup, 100);
        EXPECT_EQ(pool.used_bytes() - before, search::RankerOn<Space::kHost>::bytes(sizes, plan));
      }
  });
}

TEST(SearchBytes, OfAnAnswererAreThoseOfItsPlan) {
  with_model([](const search::Setup& setup, const memory::Pool& pool) {
    const model::OwnRows rows(setup.shard, setup.parameters);
    const search::KnownAnswers known(setup.shard, graph::kSplits);
    const search::AnswerNeeds needs{rows, known, true, 5, 100};
    for (const OnHost& how : ways())
      for (const search::AnswerPlan& plan :
           {search::AnswerPlan{{100, 60, 60}, 5000, 300}, search::AnswerPlan{{7, 11, 5}, 41, 3}}) {
        const std::uint64_t before = pool.used_bytes();
        const auto answerer = answer_with(how, plan)(setup, needs);
        EXPECT_EQ(pool.used_bytes() - before,
                  search::AnswererOn<Space::kHost>::bytes(answer_sizes(how, setup, needs), plan));
      }
  });
}

TEST(SearchBytes, OfTheHostAreThoseOfItsPlans) {
  with_model([](const search::Setup& setup, const memory::Pool& pool) {
    const std::uint64_t before = pool.used_bytes();
    const auto ranker = search::rank_on_host()(setup, 4096);
    const search::Sizes sizes = search::host_sizes(setup, 4096);
    const std::uint64_t ranking = search::RankerOn<Space::kHost>::bytes(sizes, search::plan_host_ranking(sizes));
    EXPECT_EQ(pool.used_bytes() - before, ranking);
    EXPECT_EQ(ranking, 3U * 2 * 4096 * 4);  // two counts for each query and thread: rows and queries are not copied
    const model::OwnRows rows(setup.shard, setup.parameters);
    const search::QueryVectors vectors(setup, rows, 77);
    EXPECT_EQ(pool.used_bytes() - before - ranking, search::QueryVectors::bytes(77, 22));
  });
}

TEST(SearchBytes, OfTheHostHaveAWindowOfSmallRows) {
  const auto use = [](const search::Setup& setup, const memory::Pool& pool) {
    const std::uint64_t before = pool.used_bytes();
    const auto ranker = search::rank_on_host()(setup, 4096);
    const search::Sizes sizes = search::host_sizes(setup, 4096);
    const std::uint64_t ranking = search::RankerOn<Space::kHost>::bytes(sizes, search::plan_host_ranking(sizes));
    EXPECT_EQ(pool.used_bytes() - before, ranking);
    EXPECT_EQ(ranking, 3U * 2 * 4096 * 4 + search::host_bytes<float>(60 * 22));
    search::Sizes large = sizes;
    large.rows = 100'000'000;
    EXPECT_EQ(search::plan_host_ranking(large).window_rows, (8U << 20U) / 22);
  };
  with_model(use, kernels::RowFormat::kInt8);
}

}  // namespace
}  // namespace tessera::test
