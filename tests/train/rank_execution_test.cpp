// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// A rank that an exception ends gives up its transfers before anything waits for them.

#include "train/engine_runs.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace tessera {
namespace {

using kernels::Space;

/// Counts how often it was given up.
class CountingTransport final : public comm::RankTransport<Space::kHost> {
 public:
  explicit CountingTransport(int& given_up) : given_up_(given_up) {}
  void exchange(std::span<const Send> /*sends*/, std::span<const Receive> /*receives*/) override {}
  void give_up() noexcept override { ++given_up_; }
  [[nodiscard]] const char* description() const override { return "ranks exchange nothing"; }

 private:
  int& given_up_;
};

/// How often an engine gave up, which `throws` ended, or nothing.
template <class Engine>
int times_given_up(Job job, const char* mode, bool throws) {
  job.exchange.mode = mode;
  const test::StoredGraph stored(test::random_graph({}), 1);
  const auto comm = comm::make_self_communicator();
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool,
                               train::row_memory(shard, job));
  const train::EngineSetup setup{
      *comm, shard, job, parameters, 1, kernels::cpu_backend(), pool, sampling::count_items(*comm, shard, job)};
  int given_up = 0;
  try {
    auto executor = std::make_unique<execution::HostExecutor>(pool, kernels::cpu_backend(), execution::HostThreads(1));
    const Engine engine(setup, std::make_unique<train::RankExecution<Space::kHost>>(
                                   std::move(executor), std::make_unique<CountingTransport>(given_up)));
    if (throws) throw std::runtime_error("of this rank alone");
  } catch (const std::runtime_error&) {
    EXPECT_TRUE(throws);
  }
  return given_up;
}

TEST(RankExecution, GivesUpItsTransfersAfterAnException) {
  const Job job = test::small_job();
  EXPECT_EQ(times_given_up<train::QueriesEngine<Space::kHost>>(job, "queries", true), 1);
  EXPECT_EQ(times_given_up<train::QueriesEngine<Space::kHost>>(job, "queries", false), 0);
  EXPECT_EQ(times_given_up<train::RowsEngine<Space::kHost>>(job, "rows", true), 1);
  EXPECT_EQ(times_given_up<train::RowsEngine<Space::kHost>>(job, "rows", false), 0);
}

}  // namespace
}  // namespace tessera
