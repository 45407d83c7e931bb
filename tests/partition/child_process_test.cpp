// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/child_process.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <thread>

namespace tessera::partition {
namespace {

void ignore_time(double) {}

TEST(ChildProcess, GivesBackThroughSharedNumbers) {
  const SharedNumbers shared(3);
  int private_number = 1;
  const auto failure = run_in_child(
      [&] {
        shared.span()[2] = 42;
        private_number = 2;
      },
      ignore_time);
  EXPECT_EQ(failure, std::nullopt);
  EXPECT_EQ(shared.span()[0], 0U);
  EXPECT_EQ(shared.span()[2], 42U);
  EXPECT_EQ(private_number, 1);
}

TEST(ChildProcess, SaysWhatWasThrown) {
  const auto failure = run_in_child([] { throw std::runtime_error("no\nmore"); }, ignore_time);
  EXPECT_EQ(failure.value_or(""), "it ended with status 1: no more");
}

TEST(ChildProcess, SaysWhatWasPrinted) {
  const auto failure = run_in_child(
      [] {
        std::printf("nobody sees this\n");
        std::fprintf(stderr, "cannot bisect\n");
        _exit(7);
      },
      ignore_time);
  EXPECT_EQ(failure.value_or(""), "it ended with status 7: cannot bisect");
}

TEST(ChildProcess, SurvivesCrashesAndKills) {
  const auto killed = run_in_child([] { std::raise(SIGKILL); }, ignore_time);
  EXPECT_NE(killed.value_or("").find("signal 9 (Killed; memory may have run out)"), std::string::npos)
      << killed.value_or("");
  const auto aborted = run_in_child([] { std::abort(); }, ignore_time);
  EXPECT_NE(aborted.value_or("").find("signal 6"), std::string::npos) << aborted.value_or("");
}

TEST(ChildProcess, ReportsMuchTextShortly) {
  const auto failure = run_in_child([] { throw std::runtime_error(std::string(1'000'000, 'x')); }, ignore_time);
  EXPECT_LT(failure.value_or("").size(), 1200U);
}

TEST(ChildProcess, CallsWhileWaiting) {
  int calls = 0;
  const auto failure = run_in_child([] { std::this_thread::sleep_for(std::chrono::milliseconds(1300)); },
                                    [&](double seconds) {
                                      ++calls;
                                      EXPECT_GT(seconds, 0.5);
                                    });
  EXPECT_EQ(failure, std::nullopt);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace tessera::partition
