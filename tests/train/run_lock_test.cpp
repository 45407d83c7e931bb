// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/run_lock.hpp"

#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <thread>

namespace tessera::train {
namespace {

using namespace std::chrono_literals;
using storage::FileLock;

class RunLockTest : public ::testing::Test {
 private:
  test::TemporaryFolder temporary_;

 protected:
  void leave(const std::string& text) const { std::ofstream(file_) << text; }

  const std::filesystem::path run_ = temporary_.path() / "run";
  const std::filesystem::path file_ = temporary_.path() / ".run.training";
  const RunLock::Beat quick_{20ms, 400ms};
};

constexpr const char* kElsewhere = "process 7 on elsewhere, job 55, since 2026-01-01T00:00:00Z\nkernel other\nbeat ";

TEST_F(RunLockTest, OneHoldsItAndItsHeartGoesOn) {
  {
    const RunLock lock(run_, quick_);
    const auto first = FileLock::content(file_);
    ASSERT_TRUE(first);
    EXPECT_NE(first->find("process " + std::to_string(getpid()) + " on "), std::string::npos) << *first;
    test::expect_error(ExitStatus::kUsage, {"is in use", "process " + std::to_string(getpid())},
                       [&] { const RunLock second(run_, quick_); });
    std::this_thread::sleep_for(200ms);
    EXPECT_NE(FileLock::content(file_), first);
    lock.require_held();
  }
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(RunLockTest, AHolderOfAnotherHostWithoutAHeartbeatIsGone) {
  leave(std::string(kElsewhere) + "5\n");
  const auto start = std::chrono::steady_clock::now();
  const RunLock lock(run_, quick_);
  EXPECT_GE(std::chrono::steady_clock::now() - start, quick_.patience);
  lock.require_held();
}

TEST_F(RunLockTest, AHolderOfAnotherHostWithAHeartbeatIsThere) {
  leave(std::string(kElsewhere) + "0\n");
  std::atomic<bool> is_over{false};
  std::thread holder([&] {
    for (int beat = 1; !is_over; ++beat) {
      std::ofstream(file_, std::ios::in | std::ios::out) << kElsewhere << beat << "\n";
      std::this_thread::sleep_for(20ms);
    }
  });
  test::expect_error(ExitStatus::kUsage, {"is in use", "process 7 on elsewhere, job 55"},
                     [&] { const RunLock lock(run_, quick_); });
  is_over = true;
  holder.join();
  EXPECT_TRUE(std::filesystem::exists(file_)) << "the file of the holder stays";
}

TEST_F(RunLockTest, WhoDiedOnThisHostHoldsNothing) {
  std::string left;
  {
    const RunLock lock(run_, quick_);
    left = *FileLock::content(file_);
  }
  leave(left);
  const auto start = std::chrono::steady_clock::now();
  const RunLock lock(run_, {20ms, 60s});
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST_F(RunLockTest, GarbageIsSaidAndStays) {
  for (const std::string& garbage : {std::string("\0\xff\n", 3), std::string("hello"), std::string(10000, 'x')}) {
    leave(garbage);
    test::expect_error(ExitStatus::kBadData, {file_.string(), "remove it"}, [&] { const RunLock lock(run_, quick_); });
    EXPECT_TRUE(std::filesystem::exists(file_));
  }
  leave("");
  const RunLock lock(run_, quick_);
}

TEST_F(RunLockTest, WhoWasStillTooLongLearnsThatItWasTaken) {
  std::optional<RunLock> lock(std::in_place, run_, quick_);
  leave(std::string(kElsewhere) + "5\n");
  test::expect_error(ExitStatus::kIo, {"was taken over by process 7 on elsewhere"}, [&] { lock->require_held(); });
  std::this_thread::sleep_for(100ms);
  lock.reset();
  EXPECT_EQ(FileLock::content(file_), std::string(kElsewhere) + "5\n") << "neither beaten on nor removed";
}

}  // namespace
}  // namespace tessera::train
