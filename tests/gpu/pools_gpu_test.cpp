// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "device/memory.hpp"
#include "device/stream.hpp"
#include "execution/staging.hpp"
#include "memory/pool.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace tessera::memory {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

TEST(PoolsGpu, PinnedMemoryGoesToTheDeviceAndBack) {
  const device::Device device = device::Device::open(0);
  const device::Stream stream(device);
  Pool host(device, 8 * kMiB, 2);
  DevicePool pool(device, 8 * kMiB);
  EXPECT_EQ(host.space(), device::Space::kPinned);
  const auto there = host.allocate<float>(Tag::kBatch, kMiB / 2);
  const auto back = host.allocate<float>(Tag::kBatch, kMiB / 2);
  const auto rows = pool.allocate<float>(Tag::kRows, kMiB / 2);
  const auto zeros = pool.allocate<float>(Tag::kState, 1000);
  std::iota(there.span().begin(), there.span().end(), 1.0F);
  device::copy(std::span<const float>(there.span()), rows.span(), stream.view());
  device::copy(device::Span<const float>(rows.span()), back.span(), stream.view());
  device::copy(device::Span<const float>(zeros.span()), there.span().first(1000), stream.view());
  stream.view().synchronize();
  EXPECT_EQ(back[0], 1.0F);
  EXPECT_EQ(back[kMiB / 2 - 1], static_cast<float>(kMiB / 2));
  EXPECT_EQ(std::count(there.span().begin(), there.span().begin() + 1000, 0.0F), 1000) << "blocks are zeroed";
  EXPECT_EQ(pool.describe(), "rows 2.0 MiB, state 4.0 KiB");
}

// Through slots that are smaller than what travels, and not a divisor of it.
TEST(StagingGpu, MemoryThatIsNotPinnedGoesToTheDeviceAndBack) {
  const device::Device device = device::Device::open(0);
  Pool host(8 * kMiB);
  DevicePool pool(device, 8 * kMiB);
  execution::DeviceExecutor executor(pool, {});
  execution::Staging<device::Space::kDevice> staging(executor, host, Tag::kExchange, 1000);
  for (const std::size_t count : {0U, 1U, 250U, 251U, 500U, 1234U, 100000U}) {
    std::vector<float> there(count);
    std::vector<float> back(count);
    std::iota(there.begin(), there.end(), 1.0F);
    const std::vector<float> expected = there;
    const auto rows = pool.allocate<float>(Tag::kRows, count);
    staging.upload(std::span<const float>(there), rows.span());
    std::fill(there.begin(), there.end(), -1.0F);  // it is free again
    staging.download(device::Span<const float>(rows.span()), std::span(back));
    EXPECT_EQ(back, expected) << count;
  }
}

TEST(PoolsGpu, WhatDoesNotFitIsRefused) {
  const device::Device device = device::Device::open(0);
  test::expect_error(ExitStatus::kOverBudget, {"device memory budget", "are free"},
                     [&] { const DevicePool pool(device, device.properties().total_bytes); });
  DevicePool pool(device, kMiB);
  const auto rows = pool.allocate<float>(Tag::kRows, kMiB / 8);
  test::expect_error(ExitStatus::kOverBudget, {"device memory budget of 1.0 MiB", "for state", "rows 512.0 KiB"},
                     [&] { (void)pool.allocate<float>(Tag::kState, kMiB / 4); });
  EXPECT_EQ(pool.use(Tag::kState).peak_bytes, 0U);
}

}  // namespace
}  // namespace tessera::memory
