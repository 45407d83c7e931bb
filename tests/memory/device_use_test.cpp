// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/device_use.hpp"

#include <gtest/gtest.h>

namespace tessera::memory {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

// Of 70 GiB the pool took 60, gave out 12 of them, and libraries took one more.
TEST(DeviceUse, IsThePeakOfThePoolAndWhatIsBesideIt) {
  EXPECT_EQ(measured_bytes({70 * kGiB, 9 * kGiB, 60 * kGiB, 12 * kGiB}), 13 * kGiB);
  EXPECT_EQ(measured_bytes({70 * kGiB, 10 * kGiB, 60 * kGiB, 60 * kGiB}), 60 * kGiB);
}

// Somebody else gave memory back meanwhile.
TEST(DeviceUse, IsUnknownRatherThanNegative) {
  EXPECT_EQ(measured_bytes({70 * kGiB, 75 * kGiB, 60 * kGiB, 12 * kGiB}), 0U);
  EXPECT_EQ(measured_bytes({70 * kGiB, 40 * kGiB, 60 * kGiB, 12 * kGiB}), 0U);
}

TEST(DeviceUse, IsSaidForPeople) {
  EXPECT_EQ(describe({2 * kGiB, 0}), "planned 2.0 GiB, not measured");
  EXPECT_EQ(describe({2 * kGiB, 3 * kGiB}), "planned 2.0 GiB, measured 3.0 GiB (50.0 % more)");
  EXPECT_EQ(describe({4 * kGiB, 3 * kGiB}), "planned 4.0 GiB, measured 3.0 GiB (25.0 % less)");
}

}  // namespace
}  // namespace tessera::memory
