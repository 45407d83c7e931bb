// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device.hpp"

#include "core/error.hpp"
#include "device/memory.hpp"
#include "device/space.hpp"
#include "device/span.hpp"
#include "device/stream.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace tessera::device {
namespace {

const Properties kNew{"a card", "0000:01:00.0", {9, 0}, {13, 0}, {13, 0}, std::uint64_t{80} << 30U, 132};

TEST(DeviceRequirements, WhatIsNewEnoughPasses) {
  check_supported(kNew);
  Properties least = kNew;
  least.compute_capability = kLeastCapability;
  check_supported(least);
  Properties newer = kNew;
  newer.compute_capability = {12, 1};
  newer.driver = {14, 2};
  check_supported(newer);
  Properties minor = kNew;  // any driver of a release runs programs of any of its minor versions
  minor.runtime = {13, 2};
  check_supported(minor);
}

TEST(DeviceRequirements, OldDevicesAndDriversAreRefusedWithBothVersions) {
  Properties old_device = kNew;
  old_device.compute_capability = {7, 5};
  test::expect_error(ExitStatus::kUsage, {"'a card'", "capability 7.5", "CUDA 13.0", "8.0 or newer", "13.0 or newer"},
                     [&] { check_supported(old_device); });
  Properties old_driver = kNew;
  old_driver.driver = {12, 8};
  test::expect_error(ExitStatus::kUsage, {"capability 9.0", "CUDA 12.8", "8.0 or newer", "13.0 or newer"},
                     [&] { check_supported(old_driver); });
}

TEST(DeviceOfRank, GoesRoundTheDevices) {
  EXPECT_EQ(device_of_rank(0, 4), 0);
  EXPECT_EQ(device_of_rank(3, 4), 3);
  EXPECT_EQ(device_of_rank(5, 4), 1);
  EXPECT_EQ(device_of_rank(7, 1), 0);
}

// Where there is no device, whoever asks for one is told why, as a user's mistake (exit status 64).
TEST(DeviceOpen, WithoutADeviceSaysWhy) {
  if (!built_with_cuda()) {
    test::expect_error(ExitStatus::kUsage, {"built without CUDA"}, [] { (void)device_count(); });
    test::expect_error(ExitStatus::kUsage, {"built without CUDA", "preset cuda"}, [] { (void)Device::open(0); });
    return;
  }
  try {
    const int count = device_count();
    test::expect_error(ExitStatus::kUsage, {"no device", "this process sees"}, [&] { (void)Device::open(count); });
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kUsage);
    EXPECT_EQ(std::string(error.what()).find("no device: "), 0U) << error.what();
    test::expect_error(ExitStatus::kUsage, {"no device: "}, [] { (void)Device::open(0); });
  }
}

TEST(DeviceSpan, IsAViewThatTheHostCannotRead) {
  static_assert(std::is_convertible_v<Span<float>, Span<const float>>);
  static_assert(!std::is_convertible_v<Span<const float>, Span<float>>);
  static_assert(!std::is_convertible_v<Span<float>, std::span<float>>);
  static_assert(!std::is_convertible_v<std::span<float>, Span<float>>);
  float values[6] = {};
  const Span<float> all(values, 6);
  EXPECT_EQ(all.subspan(2, 3).data(), values + 2);
  EXPECT_EQ(all.subspan(2, 3).size(), 3U);
  EXPECT_EQ(as_bytes(all).size(), sizeof(values));
  EXPECT_TRUE(Span<float>().empty());
}

template <class Owner>
constexpr bool kMovesOnly = std::is_nothrow_move_constructible_v<Owner>&& std::is_nothrow_move_assignable_v<Owner> &&
                            !std::is_copy_constructible_v<Owner> && !std::is_copy_assignable_v<Owner>;

TEST(DeviceOwners, MoveOnly) {
  static_assert(kMovesOnly<Stream> && kMovesOnly<Event> && kMovesOnly<Block> && kMovesOnly<Registration>);
  EXPECT_STREQ(name(Space::kPinned), "pinned");
  EXPECT_TRUE(is_host(Space::kPinned) && !is_host(Space::kDevice));
}

}  // namespace
}  // namespace tessera::device
