// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Whatever one rank does, the job ends within seconds, with the exit status of the cause. TESSERA_MPIRUN and
// TESSERA_FAILING_PROGRAM come from the build.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>

namespace {

struct Outcome {
  int status = -1;
  std::string output;
  double seconds = 0;
};

Outcome run(int ranks, const std::string& how) {
  Outcome outcome;
  const std::string command =
      "timeout 60 '" TESSERA_MPIRUN "' " + std::to_string(ranks) + " '" TESSERA_FAILING_PROGRAM "' " + how + " 2>&1";
  const auto start = std::chrono::steady_clock::now();
  std::FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> block{};
  while (const std::size_t got = std::fread(block.data(), 1, block.size(), pipe))
    outcome.output.append(block.data(), got);
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%s on %d ranks ended after %.1f s with %d\n", how.c_str(), ranks, outcome.seconds, outcome.status);
  return outcome;
}

class FailingRank : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (std::system("command -v mpirun >/dev/null 2>&1") != 0) GTEST_SKIP() << "skipped: no mpirun here";
  }
};

TEST_P(FailingRank, ThatThrowsEndsTheJob) {
  const Outcome outcome = run(GetParam(), "throw");
  EXPECT_EQ(outcome.status, 65) << outcome.output;
  EXPECT_LT(outcome.seconds, 10);
  EXPECT_NE(outcome.output.find("the last rank gives up"), std::string::npos) << outcome.output;
}

TEST_P(FailingRank, ThatThrowsWithMessagesInFlightEndsTheJob) {
  const Outcome outcome = run(GetParam(), "throw-with-messages-in-flight");
  EXPECT_EQ(outcome.status, 65) << outcome.output;
  EXPECT_LT(outcome.seconds, 10);
}

TEST_P(FailingRank, AllThatAgreeToFailWithMessagesInFlightEnd) {
  const Outcome outcome = run(GetParam(), "agree-with-messages-in-flight");
  EXPECT_EQ(outcome.status, 74) << outcome.output;
  EXPECT_LT(outcome.seconds, 10);
  EXPECT_NE(outcome.output.find("agreed: all give up"), std::string::npos) << outcome.output;
}

TEST_P(FailingRank, ThatIsKilledEndsTheJob) {
  const Outcome outcome = run(GetParam(), "killed");
  EXPECT_NE(outcome.status, 0) << outcome.output;
  EXPECT_NE(outcome.status, 124) << "still running after 60 s";
  EXPECT_LT(outcome.seconds, 10);
}

TEST_P(FailingRank, ThatExitsEndsTheJob) {
  const Outcome outcome = run(GetParam(), "exits");
  EXPECT_EQ(outcome.status, 3) << outcome.output;
  EXPECT_LT(outcome.seconds, 10);
}

INSTANTIATE_TEST_SUITE_P(Ranks, FailingRank, testing::Values(2, 3));

}  // namespace
