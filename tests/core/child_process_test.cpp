// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/child_process.hpp"

#include "core/mix.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

namespace tessera {
namespace {

TEST(ChildProcess, EndsWithWhatItReturnsThrowsOrIsHitBy) {
  EXPECT_EQ(run_child([] { return 0; }, {}).status, 0);
  EXPECT_EQ(run_child([] { return 65; }, {}).status, 65);
  EXPECT_EQ(run_child([]() -> int { throw std::runtime_error("to be seen on stderr\n"); }, {}).status, 1);
  const ChildEnd killed = run_child([] { return std::raise(SIGKILL); }, {});
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_EQ(killed.status, 0);
}

TEST(ChildProcess, IsQuietWhenSomebodyWaits) {
  const auto speak = []() -> int { throw std::runtime_error("no\nmore"); };
  EXPECT_EQ(run_child(speak, {.waiting = [](double) {}}).report, "no more");
}

TEST(ChildProcess, StaysWithinItsMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "skipped: sanitizers reserve far more than they use";
#endif
  const auto allocate = [] {
    void* const memory = std::malloc(std::size_t{2} << 30U);
    std::free(memory);
    return memory == nullptr ? 7 : 0;
  };
  EXPECT_EQ(run_child(allocate, {}).status, 0);
  EXPECT_EQ(run_child(allocate, {.most_bytes = std::uint64_t{1} << 30U}).status, 7);
}

TEST(ChildProcess, StaysWithinItsTime) {
  const auto spin = [] {
    volatile std::uint64_t rounds = 0;
    for (;;) rounds = rounds + 1;
    return 0;
  };
  const ChildEnd end = run_child(spin, {.most_seconds = 1});
  EXPECT_TRUE(end.signal == SIGXCPU || end.signal == SIGKILL) << end.signal;
}

// The first numbers of the published generator from seed 0.
TEST(Mix, IsThatOfSplitmix64) {
  EXPECT_EQ(mix(kMixStep), 0xE220A8397B1DCDAFU);
  EXPECT_EQ(mix(2 * kMixStep), 0x6E789E6AA1B965F4U);
  EXPECT_EQ(mix(3 * kMixStep), 0x06C45D188009454FU);
  EXPECT_EQ(mix(0), 0U);
}

}  // namespace
}  // namespace tessera
