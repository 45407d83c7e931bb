// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// After the first epoch an epoch allocates nothing: neither from the pool nor from the heap.

#include "comm/self/self_communicator.hpp"
#include "core/job.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> heap_allocations{0};
}

void* operator new(std::size_t size) {
  ++heap_allocations;
  if (void* block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t /*size*/) noexcept { std::free(block); }

namespace tessera {
namespace {

TEST(Allocations, NoneAfterTheFirstEpoch) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  for (const std::uint64_t staleness : {0, 1}) {
    Job job;
    job.model.dim = 16;
    job.train.batch_size = 64;
    job.negatives.count = 32;
    job.exchange.staleness = staleness;
    const auto comm = comm::make_self_communicator();
    memory::Pool pool(std::uint64_t{64} << 20U);
    const graph::Shard shard = stored.load(Rank(0), 1, pool);
    model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool, train::halo_rows(shard, job));
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

TEST(Allocations, TheCounterCounts) {
  const long before = heap_allocations;
  ::operator delete(::operator new(1));
  EXPECT_EQ(heap_allocations - before, 1);
}

}  // namespace
}  // namespace tessera
