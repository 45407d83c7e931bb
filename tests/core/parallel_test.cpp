// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/parallel.hpp"

#include "core/cast.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "core/provenance.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tessera {
namespace {

TEST(ParallelFor, EveryIndexOnce) {
  for (const std::size_t count : {0, 1, 2, 3, 7, 64, 1000})
    for (const std::size_t threads : {0, 1, 2, 3, 5, 16}) {
      std::vector<std::atomic<int>> calls(count);
      parallel_for(count, threads, [&](std::size_t i) { ++calls.at(i); });
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(calls[i], 1) << i << " of " << count << " on " << threads;
    }
}

TEST(ParallelFor, WorkersOwnTheirNumber) {
  constexpr std::size_t kCount = 5000;
  for (const std::size_t threads : {1, 2, 4, 9}) {
    std::vector<std::size_t> by_worker(threads, 0);  // not atomic: a worker number is never used by two at once
    parallel_for(kCount, threads, [&](std::size_t, std::size_t worker) { ++by_worker.at(worker); });
    std::size_t sum = 0;
    for (const std::size_t n : by_worker) sum += n;
    EXPECT_EQ(sum, kCount);
  }
}

TEST(ParallelFor, RunsAtTheSameTime) {
  std::atomic<int> waiting{0};
  parallel_for(2, 2, [&](std::size_t) {
    ++waiting;
    while (waiting < 2) std::this_thread::yield();  // ends only when both bodies run
  });
  EXPECT_EQ(waiting, 2);
}

TEST(ParallelFor, AnExceptionReachesTheCallerWhenAllAreDone) {
  for (const std::size_t threads : {2, 4}) {
    std::atomic<int> finished{0};
    test::expect_error(ExitStatus::kBadData, {"number 3"}, [&] {
      parallel_for(50, threads, [&](std::size_t i) {
        if (i == 3) fail(ExitStatus::kBadData, "number {}", i);
        ++finished;
      });
    });
    EXPECT_EQ(finished, 49);
  }
  EXPECT_THROW(parallel_for(3, 1, [](std::size_t) { throw std::runtime_error("serial"); }), std::runtime_error);
}

TEST(ParallelFor, ManyExceptionsAreOne) {
  EXPECT_THROW(parallel_for(100, 4, [](std::size_t) { throw std::runtime_error("each"); }), std::runtime_error);
  std::atomic<int> calls{0};
  parallel_for(100, 4, [&](std::size_t) { ++calls; });  // and the next loop works
  EXPECT_EQ(calls, 100);
}

TEST(CheckedCast, RefusesWhatDoesNotFit) {
  EXPECT_EQ(checked_cast<std::uint8_t>(255), 255);
  EXPECT_EQ(checked_cast<int>(std::uint64_t{2147483647}), 2147483647);
  test::expect_error(ExitStatus::kInternal, {"2147483648"}, [] { (void)checked_cast<int>(std::uint64_t{2147483648}); });
  test::expect_error(ExitStatus::kInternal, {"-1"}, [] { (void)checked_cast<std::uint64_t>(-1); });
  test::expect_error(ExitStatus::kInternal, {"256"}, [] { (void)checked_cast<std::uint8_t>(256); });
}

TEST(Log, GoesToTheSinkOnly) {
  std::vector<std::string> lines;
  log::info("nobody hears {}", "this");
  log::set_sink([&](log::Level level, std::string_view message) {
    lines.push_back(fmt::format("{} {}", static_cast<int>(level), message));
  });
  log::debug("a {}", 1);
  log::warning("b");
  log::set_sink({});
  log::info("nor this");
  EXPECT_EQ(lines, (std::vector<std::string>{"0 a 1", "2 b"}));
}

TEST(Progress, ASilentOneIsNeverDue) {
  Progress progress("training", 10, "triples", true);
  EXPECT_FALSE(progress.due());
  progress.update(5);
  progress.finish();
}

TEST(Provenance, SaysWhereAFileComesFrom) {
  set_command_line("tessera train job.toml");
  const Provenance provenance = current_provenance();
  EXPECT_EQ(provenance.command_line, "tessera train job.toml");
  EXPECT_FALSE(provenance.version.empty());
  EXPECT_TRUE(provenance.git_commit == "unknown" || provenance.git_commit.size() == 12) << provenance.git_commit;
  EXPECT_FALSE(provenance.host.empty());
  ASSERT_EQ(provenance.time_utc.size(), 20U) << provenance.time_utc;
  EXPECT_EQ(provenance.time_utc[10], 'T');
  EXPECT_EQ(provenance.time_utc[19], 'Z');
}

}  // namespace
}  // namespace tessera
