// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "execution/executor.hpp"

#include "execution/list_ring.hpp"
#include "execution/stage_clock.hpp"
#include "execution/step_memory.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

namespace tessera::execution {
namespace {

using Cut = HostThreads::Cut;
using Block = std::tuple<std::size_t, std::size_t, std::size_t>;  // part, first, count

std::vector<Block> blocks_of(const HostThreads& threads, const std::vector<std::size_t>& rows, std::size_t preferred) {
  std::mutex mutex;
  std::vector<Block> blocks;
  std::vector<std::atomic<int>> busy(threads.workers());
  threads.for_part_blocks(
      rows.size(), [&](std::size_t part) { return rows[part]; }, preferred,
      [&](std::size_t part, std::size_t first, std::size_t count, std::size_t worker) {
        EXPECT_EQ(++busy.at(worker), 1) << "a worker has one block at a time";
        const std::lock_guard lock(mutex);
        blocks.emplace_back(part, first, count);
        --busy.at(worker);
      });
  std::sort(blocks.begin(), blocks.end());
  return blocks;
}

TEST(HostThreads, CutEveryRowIntoOneBlock) {
  const std::vector<std::size_t> rows{5, 0, 12, 1};
  const std::vector<Block> expected{{0, 0, 4}, {0, 4, 1}, {2, 0, 4}, {2, 4, 4}, {2, 8, 4}, {3, 0, 1}};
  for (const std::size_t threads : {1, 2, 7}) EXPECT_EQ(blocks_of(HostThreads(threads), rows, 4), expected) << threads;
  const std::vector<Block> whole{{0, 0, 5}, {2, 0, 12}, {3, 0, 1}};
  EXPECT_EQ(blocks_of(HostThreads(2, Cut::kNone), rows, 4), whole);
}

TEST(HostThreads, HaveScratchForTheLargestBlock) {
  EXPECT_EQ(HostThreads(3).block_rows(100, 16), 16U);
  EXPECT_EQ(HostThreads(3).block_rows(9, 16), 9U);
  EXPECT_EQ(HostThreads(3, Cut::kNone).block_rows(100, 16), 100U);
  EXPECT_EQ(HostThreads(3).workers(), 3U);
}

TEST(HostThreads, DoNothingWithoutRows) {
  HostThreads(2).for_blocks(0, 4, [](std::size_t, std::size_t, std::size_t) { FAIL() << "a block of no rows"; });
}

TEST(HostThreads, HandOnWhatABlockThrows) {
  EXPECT_THROW(HostThreads(2).for_blocks(10, 1,
                                         [](std::size_t first, std::size_t, std::size_t) {
                                           if (first == 7) throw 1;
                                         }),
               int);
}

class OnHost : public testing::Test {
 protected:
  memory::Pool pool_{std::uint64_t{1} << 20U};
  HostExecutor executor_{pool_, kernels::cpu_backend(), HostThreads(2)};
};

TEST_F(OnHost, MemoryComesFromThePool) {
  const std::uint64_t before = executor_.room_bytes();
  const auto buffer = executor_.allocate<float>(memory::Tag::kNegatives, 100);
  EXPECT_EQ(pool_.use(memory::Tag::kNegatives).bytes, 448U);  // whole cache lines
  EXPECT_EQ(executor_.room_bytes(), before - 448);
  const std::vector<float> values(100, 2.5F);
  executor_.upload(std::span<const float>(values), buffer.span());
  std::vector<float> back(100);
  executor_.download(std::span<const float>(buffer.span()), std::span<float>(back));
  EXPECT_EQ(back, values);
}

TEST_F(OnHost, WorkspaceCounts) {
  StepMemory<Space::kHost> memory(executor_, 6);
  const auto list = memory.counting(4, 2);
  EXPECT_EQ(std::vector<std::uint32_t>(list.begin(), list.end()), (std::vector<std::uint32_t>{2, 3, 4, 5}));
  const auto segments = memory.one_by_one(2, 3);
  EXPECT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments.positions[segments.offsets[1]], 4U);
  const auto padded = memory.allocate_padded(memory::Tag::kLogits, 3, 5);
  EXPECT_EQ(padded.cols, 5U);
  EXPECT_EQ(padded.stride, 8U);
  EXPECT_TRUE(memory.allocate_bytes(memory::Tag::kLogits, 0).empty());
}

TEST_F(OnHost, ListsOfAStepShareASlot) {
  ListRing<Space::kHost> ring(executor_, pool_, 10, 2);
  for (std::uint64_t step = 0; step < 3; ++step) {
    const std::vector<std::uint64_t> words{step + 1, 10 - step - 1};
    ring.begin(step, words);
    const std::vector<std::uint32_t> list(step + 1, static_cast<std::uint32_t>(step));
    const auto first = ring.writer(0).put(list);
    const auto second = ring.writer(1).put_floats(list);
    ring.send();
    ring.take(step);
    EXPECT_EQ(std::vector<std::uint32_t>(first.begin(), first.end()), list);
    EXPECT_EQ(second.size(), list.size());
    EXPECT_EQ(second[0], static_cast<float>(step));
    EXPECT_ANY_THROW(ring.writer(0).put(list)) << "more than planned";
    ring.done(step);
  }
  EXPECT_ANY_THROW(ring.begin(3, std::vector<std::uint64_t>{6, 6}));
}

TEST_F(OnHost, StagesAddUpToTheTimeThatPasses) {
  StageClock<Space::kHost> clock(executor_);
  const auto start = std::chrono::steady_clock::now();
  for (int step = 0; step < 3; ++step) {
    clock.enter(Stage::kScore);
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
    clock.enter(Stage::kUpdate);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    clock.enter(Stage::kScore);
    clock.leave();
  }
  const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const StageTimes& times = clock.times();
  EXPECT_GE(times.of(Stage::kScore), 0.012);
  EXPECT_GE(times.of(Stage::kUpdate), 0.006);
  EXPECT_LE(times.of(Stage::kScore) + times.of(Stage::kUpdate), passed);
  EXPECT_EQ(times.of(Stage::kDraw), 0);
  clock.reset();
  EXPECT_EQ(clock.times().of(Stage::kScore), 0);
}

}  // namespace
}  // namespace tessera::execution
