// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The main of test programs of several ranks. Rank 0 prints as usual; of the others only failures are seen. When a test
// failed on any rank, all ranks end with 1.

#include "support/mpi_main.hpp"

#include "comm/communicator.hpp"
#include "core/error.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

namespace tessera::test {
namespace {

constexpr std::chrono::seconds kWatchdog{60};

std::optional<comm::MpiSession>& session() {
  static std::optional<comm::MpiSession> instance;
  return instance;
}

class FailurePrinter final : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(Rank rank) : rank_(rank) {}
  void OnTestStart(const testing::TestInfo& test) override {
    test_ = fmt::format("{}.{}", test.test_suite_name(), test.name());  // asking for it in a failure would deadlock
  }
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::printf("rank %d, %s, %s:%d: %s\n", rank_.value(), test_.c_str(),
                result.file_name() == nullptr ? "" : result.file_name(), result.line_number(), result.message());
    std::fflush(stdout);
  }

 private:
  Rank rank_;
  std::string test_;
};

void be_quiet(Rank rank) {
  testing::GTEST_FLAG(output) = "";
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new FailurePrinter(rank));
}

}  // namespace

const comm::MpiSession& mpi_session() { return session().value(); }

int run(int argc, char** argv) {
  session().emplace();
  const std::unique_ptr<comm::Communicator> world = session()->world(kWatchdog);
  testing::InitGoogleTest(&argc, argv);
  if (world->rank() != Rank(0)) be_quiet(world->rank());
  const int mine = RUN_ALL_TESTS();
  try {
    return world->reduce(mine, comm::Reduction::kMax) == 0 ? 0 : 1;
  } catch (const Error& error) {
    std::printf("rank %d: %s\n", world->rank().value(), error.what());
    comm::MpiSession::abort(1);
  }
}

void end() { session().reset(); }

}  // namespace tessera::test

int main(int argc, char** argv) {
  const int status = tessera::test::run(argc, argv);
  tessera::test::end();
  return status;
}
