// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Training allocates nothing: neither from the pool nor from the heap, on one rank and on several. The communicator
// of threads keeps its messages in containers, so what it allocates itself is left out.

#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/job.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"
#include "train/engine_runs.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace {
std::atomic<long> heap_allocations{0};
thread_local bool inside_communicator = false;
}  // namespace

void* operator new(std::size_t size) {
  if (!inside_communicator) ++heap_allocations;
  if (void* block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t /*size*/) noexcept { std::free(block); }

namespace tessera {
namespace {

/// Hands everything on to the communicator of a rank, does not count what that allocates, and notes how many
/// allocations there had been at each call.
class Watched final : public comm::Communicator {
 public:
  explicit Watched(comm::Communicator& inner) : inner_(inner) { counts_.reserve(std::size_t{1} << 20U); }
  [[nodiscard]] Rank rank() const override { return inner_.rank(); }
  [[nodiscard]] std::int32_t size() const override { return inner_.size(); }
  [[nodiscard]] std::int32_t ranks_on_host() const override { return inner_.ranks_on_host(); }
  [[nodiscard]] std::int32_t rank_on_host() const override { return inner_.rank_on_host(); }
  void barrier() override {
    const Inside inside(*this);
    inner_.barrier();
  }
  void broadcast(std::span<std::byte> data, Rank root) override {
    const Inside inside(*this);
    inner_.broadcast(data, root);
  }
  void all_gather(std::span<const std::byte> in, std::span<std::byte> out,
                  std::span<const std::uint64_t> counts) override {
    const Inside inside(*this);
    inner_.all_gather(in, out, counts);
  }
  void all_reduce(std::span<std::int64_t> values, comm::Reduction reduction) override {
    const Inside inside(*this);
    inner_.all_reduce(values, reduction);
  }
  comm::Request send(std::span<const std::byte> data, std::uint64_t capacity, Rank to, int tag) override {
    const Inside inside(*this);
    return inner_.send(data, capacity, to, tag);
  }
  comm::Request receive(std::span<std::byte> buffer, Rank from, int tag) override {
    const Inside inside(*this);
    return inner_.receive(buffer, from, tag);
  }
  void progress() override {}

  [[nodiscard]] const std::vector<long>& counts() const { return counts_; }
  void forget() { counts_.clear(); }

 protected:  // requests are the inner one's
  std::uint64_t wait(std::uint64_t /*slot*/) override { return 0; }
  void abandon(std::uint64_t /*slot*/) noexcept override {}

 private:
  struct Inside {
    explicit Inside(Watched& watched) {
      watched.counts_.push_back(heap_allocations);
      inside_communicator = true;
    }
    ~Inside() { inside_communicator = false; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
  };
  comm::Communicator& inner_;
  std::vector<long> counts_;
};

Job small_job(std::uint64_t staleness, const std::string& mode = "rows") {
  Job job;
  job.exchange.mode = mode;
  job.model.dim = 16;
  job.train.batch_size = 32;
  job.negatives.count = 32;
  job.exchange.staleness = staleness;
  job.train.segment_steps = 9;
  return job;
}

/// The part of the calls, 0 to 1, after which nothing was allocated any more.
double last_allocation(const std::vector<long>& counts) {
  std::size_t last = 0;
  for (std::size_t i = 1; i < counts.size(); ++i)
    if (counts[i] != counts[i - 1]) last = i;
  return static_cast<double>(last) / static_cast<double>(counts.size());
}

using MakeEngine = std::unique_ptr<train::Engine> (*)(const train::EngineSetup&);

std::unique_ptr<train::Engine> usual(const train::EngineSetup& setup) { return train::make_engine(setup); }
train::EngineSetup beside_devices(train::EngineSetup setup) {
  setup.device_ranks = 1;
  return setup;
}
std::unique_ptr<train::Engine> whole(const train::EngineSetup& setup) {
  return test::make_host_engine(beside_devices(setup), test::EngineKind::kWhole, {setup.pool, setup.backend});
}
std::unique_ptr<train::Engine> staged(const train::EngineSetup& setup) {
  return test::make_host_engine(beside_devices(setup), test::EngineKind::kStaged, {setup.pool, setup.backend});
}

void expect_no_allocations(comm::Communicator& inner, const test::StoredGraph& stored, const Job& job,
                           MakeEngine make = usual) {
  Watched comm(inner);
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
  model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool, train::row_memory(shard, job));
  const auto engine =
      make({comm, shard, job, parameters, 2, kernels::cpu_backend(), pool, sampling::count_items(comm, shard, job)});
  parameters.initialise(job.model, job.run.seed);
  const std::uint64_t steps = shard.manifest.query_count() / job.train.batch_size;
  EXPECT_GT(steps, 12U);
  comm.barrier();
  comm.forget();
  engine->run_epoch(0);
  // Calls are alike in all steps, and ranks are less than two steps apart.
  EXPECT_LT(last_allocation(comm.counts()), 4.0 / static_cast<double>(steps)) << comm.counts().size() << " calls";
  const auto pool_before = pool.allocation_count();
  comm.barrier();
  const long heap_before = heap_allocations;
  comm.barrier();  // nobody is in the next epoch before everybody has looked
  engine->run_epoch(1);
  comm.barrier();
  EXPECT_EQ(heap_allocations - heap_before, 0);
  EXPECT_EQ(pool.allocation_count(), pool_before);
  comm.barrier();
}

TEST(Allocations, NoneOnOneRankAfterTheFirstEpoch) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  for (const std::uint64_t staleness : {0, 1}) {
    const Job job = small_job(staleness);
    const auto comm = comm::make_self_communicator();
    memory::Pool pool(std::uint64_t{64} << 20U);
    const graph::Shard shard = stored.load(Rank(0), 1, pool);
    model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool, train::row_memory(shard, job));
    const auto engine = train::make_engine({*comm, shard, job, parameters, 2, kernels::cpu_backend(), pool, {}});
    parameters.initialise(job.model, job.run.seed);
    engine->run_epoch(0);
    const auto pool_before = pool.allocation_count();
    const long heap_before = heap_allocations;
    engine->run_epoch(1);
    EXPECT_EQ(heap_allocations - heap_before, 0);
    EXPECT_EQ(pool.allocation_count(), pool_before);
  }
}

TEST(Allocations, NoneOnSeveralRanksAfterTheFirstSteps) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  for (const std::int32_t ranks : {2, 3})
    for (const std::uint64_t staleness : {0, 1}) {
      SCOPED_TRACE(testing::Message() << ranks << " ranks, staleness " << staleness);
      for (const MakeEngine make : {usual, whole, staged})
        comm::run_ranks(
            ranks, [&](comm::Communicator& comm) { expect_no_allocations(comm, stored, small_job(staleness), make); });
    }
}

TEST(Allocations, NoneWhereQueriesAreMoved) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  Job job = small_job(0, "queries");
  for (const double weight : {0.0, 0.5})
    for (const MakeEngine make : {usual, whole, staged}) {
      SCOPED_TRACE(testing::Message() << (make == usual   ? "blocks"
                                          : make == whole ? "whole parts"
                                                          : "staged")
                                      << ", weight " << weight);
      job.relation_prediction.weight = weight;
      for (const std::int32_t ranks : {2, 3})
        comm::run_ranks(ranks, [&](comm::Communicator& comm) { expect_no_allocations(comm, stored, job, make); });
    }
}

TEST(Allocations, NoneWithACoreAndDropout) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  for (const char* mode : {"rows", "queries"}) {
    SCOPED_TRACE(mode);
    Job job = small_job(0, mode);
    job.model.name = "tucker";
    job.dropout = {.entity = 0.2, .relation = 0.2};
    comm::run_ranks(2, [&](comm::Communicator& comm) { expect_no_allocations(comm, stored, job); });
  }
}

TEST(Allocations, TheCounterCounts) {
  const long before = heap_allocations;
  ::operator delete(::operator new(1));
  EXPECT_EQ(heap_allocations - before, 1);
}

}  // namespace
}  // namespace tessera
