// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "device/device.hpp"
#include "device/memory.hpp"
#include "device/stream.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace tessera::device {
namespace {

TEST(DeviceGpu, SaysWhatItIs) {
  const Device device = Device::open(0);
  const Properties properties = device.properties();
  EXPECT_FALSE(properties.name.empty() || properties.bus_id.empty());
  EXPECT_GT(properties.multiprocessors, 0);
  EXPECT_LE(device.free_bytes(), properties.total_bytes);
  EXPECT_GT(device.free_bytes(), 0U);
}

TEST(DeviceGpu, CopiesThereAndBackInOrder) {
  const Device device = Device::open(0);
  const Stream stream(device);
  std::vector<int> values(100000);
  std::iota(values.begin(), values.end(), 7);
  const Block a(device, values.size() * sizeof(int));
  const Block b(device, values.size() * sizeof(int));
  copy_bytes(std::as_bytes(std::span(values)), a.span(), stream.view());
  copy_bytes(a.span(), b.span(), stream.view());
  clear_bytes(a.span(), stream.view());
  std::vector<int> moved(values.size());
  std::vector<int> cleared(values.size(), 1);
  copy_bytes(b.span(), std::as_writable_bytes(std::span(moved)), stream.view());
  copy_bytes(a.span(), std::as_writable_bytes(std::span(cleared)), stream.view());
  stream.view().synchronize();
  EXPECT_EQ(moved, values);
  EXPECT_EQ(std::count(cleared.begin(), cleared.end(), 0), static_cast<std::ptrdiff_t>(cleared.size()));
}

TEST(DeviceGpu, EventsOrderStreamsAndMeasureTime) {
  const Device device = Device::open(0);
  const Stream first(device);
  const Stream second(device);
  const Block block(device, std::uint64_t{64} << 20U);
  Event start(device, Event::Clock::kTiming);
  Event stop(device, Event::Clock::kTiming);
  EXPECT_TRUE(stop.view().is_done()) << "never recorded";
  start.record(first.view());
  clear_bytes(block.span(), first.view());
  stop.record(first.view());
  second.view().wait_for(stop.view());
  second.view().synchronize();
  EXPECT_TRUE(stop.view().is_done());
  EXPECT_TRUE(first.view().is_done());
  EXPECT_GT(stop.seconds_since(start), 0);
}

TEST(DeviceGpu, MoreThanThereIsIsOverBudget) {
  const Device device = Device::open(0);
  test::expect_error(ExitStatus::kOverBudget, {"device 0", "cudaMalloc", "memory"},
                     [&] { const Block block(device, device.properties().total_bytes * 2); });
  const Block small(device, 1024);  // the refusal leaves no error behind
  EXPECT_EQ(small.span().size(), 1024U);
}

}  // namespace
}  // namespace tessera::device
