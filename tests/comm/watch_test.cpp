// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// How a rank waits for its device and gives up: what of comm/nccl needs no device.
#include "comm/nccl/detail/watch.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>

namespace tessera::comm::detail {
namespace {

using std::chrono::milliseconds;

TEST(PollUntilDone, EndsWhenItIsDone) {
  int asked = 0;
  EXPECT_TRUE(poll_until_done([&] { return ++asked < 5 ? Progress::kPending : Progress::kDone; }, milliseconds(10000)));
  EXPECT_EQ(asked, 5);
  EXPECT_TRUE(poll_until_done([] { return Progress::kDone; }, milliseconds(0))) << "what is done is never late";
}

TEST(PollUntilDone, GivesUpInTime) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(poll_until_done([] { return Progress::kPending; }, milliseconds(60)));
  const auto waited = std::chrono::steady_clock::now() - start;
  EXPECT_GE(waited, milliseconds(60));
  EXPECT_LT(waited, milliseconds(10000));
}

TEST(PollUntilDone, ErrorsGoThrough) {
  EXPECT_THROW(poll_until_done([]() -> Progress { fail(ExitStatus::kIo, "broken"); }, milliseconds(10000)), Error);
}

TEST(RunDetached, SaysWhetherTheWorkEnded) {
  const auto ran = std::make_shared<std::atomic<bool>>(false);
  EXPECT_TRUE(run_detached([ran] { *ran = true; }, milliseconds(10000)));
  EXPECT_TRUE(*ran);
  const auto release = std::make_shared<std::promise<void>>();
  const std::shared_future<void> released = release->get_future().share();
  EXPECT_FALSE(run_detached([released] { released.wait(); }, milliseconds(30)));
  release->set_value();
}

TEST(LastTransfer, SaysWhatItWas) {
  EXPECT_EQ(LastTransfer().describe(), "no exchange");
  EXPECT_EQ((LastTransfer{17, 3, 1, 3 << 19U}).describe(), "exchange 17 (3 sends, 1 receive, 1.5 MiB)");
}

}  // namespace
}  // namespace tessera::comm::detail
