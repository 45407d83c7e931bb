// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "device/choice.hpp"

#include "core/log.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::device {
namespace {

TEST(DeviceCount, ReadsWhatSlurmSays) {
  EXPECT_EQ(count_described("4"), 4);
  EXPECT_EQ(count_described("a100:4"), 4);
  EXPECT_EQ(count_described("a100:3,v100:1"), 4);
  EXPECT_EQ(count_described("nvidia:a100:8"), 8);
}

TEST(DeviceCount, WhatIsNoCountIsNone) {
  for (const std::string_view text : {"", "a100", "4,", ",4", "a100:", "-1", "0", "4x", "2,a100", "1e3", "99999999999"})
    EXPECT_EQ(count_described(text), 0) << text;
}

class DeviceOfJob : public testing::Test {
 protected:
  void SetUp() override { TearDown(); }
  void TearDown() override {
    ::unsetenv("SLURM_GPUS_PER_NODE");
    ::unsetenv("SLURM_GPUS_ON_NODE");
  }
};

TEST_F(DeviceOfJob, IsUnknownOutsideSlurm) { EXPECT_EQ(devices_of_job(), 0); }

TEST_F(DeviceOfJob, IsTheMoreOfWhatWasAskedForAndWhatIsHere) {
  ::setenv("SLURM_GPUS_ON_NODE", "2", 1);
  EXPECT_EQ(devices_of_job(), 2);
  ::setenv("SLURM_GPUS_PER_NODE", "a100:4", 1);
  EXPECT_EQ(devices_of_job(), 4);
  ::setenv("SLURM_GPUS_ON_NODE", "8", 1);
  EXPECT_EQ(devices_of_job(), 8);
}

class DeviceChoice : public testing::Test {
 protected:
  void SetUp() override {
    log::set_sink([this](log::Level level, std::string_view message) {
      EXPECT_EQ(level, log::Level::kWarning);
      said_.emplace_back(message);
    });
  }
  void TearDown() override { log::set_sink({}); }
  std::vector<std::string> said_;
};

TEST_F(DeviceChoice, GoesRoundTheVisibleDevices) {
  EXPECT_EQ(choose(0, 4, 4), 0);
  EXPECT_EQ(choose(3, 4, 4), 3);
  EXPECT_EQ(choose(5, 4, 0), 1);
  EXPECT_EQ(choose(0, 8, 4), 0);  // other devices of a host without other jobs
  EXPECT_TRUE(said_.empty());
}

TEST_F(DeviceChoice, HiddenDevicesAreOneWarningOfEachHost) {
  EXPECT_EQ(choose(0, 1, 4), 0);
  ASSERT_EQ(said_.size(), 1U);
  for (const char* text : {"see 1 of the 4 devices", "--gpu-bind=none", "--gpus-per-node"})
    EXPECT_NE(said_[0].find(text), std::string::npos) << said_[0];
  EXPECT_EQ(said_[0].find('\n'), std::string::npos);
  EXPECT_EQ(choose(1, 1, 4), 0);
  EXPECT_EQ(choose(3, 2, 4), 1);
  EXPECT_EQ(said_.size(), 1U) << "other ranks of the host say it again";
}

}  // namespace
}  // namespace tessera::device
