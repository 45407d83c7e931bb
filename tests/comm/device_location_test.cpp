// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Who sits where decides how device memory travels.
#include "comm/nccl/device_location.hpp"

#include "comm/thread/thread_communicator.hpp"
#include "core/error.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera::comm {
namespace {

const DeviceLocation kFirst = make_location("node1", "boot-a", "0000:17:00.0");
const DeviceLocation kSecond = make_location("node1", "boot-a", "0000:65:00.0");
const DeviceLocation kElsewhere = make_location("node2", "boot-b", "0000:17:00.0");
const DeviceLocation kNone = make_location("node2", "boot-b", "");

void expect_choice(const std::string& wanted, const std::vector<DeviceLocation>& locations, bool has_nccl,
                   DeviceTransport transport, const std::string& reason) {
  const TransportChoice choice = choose_transport(wanted, locations, has_nccl);
  EXPECT_EQ(choice.transport, transport) << wanted;
  EXPECT_EQ(choice.reason, reason) << wanted;
}

TEST(Transport, IsDirectWhereEachRankHasADevice) {
  for (const char* wanted : {"auto", "nccl"}) {
    expect_choice(wanted, {kFirst, kSecond}, true, DeviceTransport::kDirect, "each rank has a device of its own");
    // The same bus of another machine, even of one whose host has the same name.
    expect_choice(wanted, {kFirst, kElsewhere}, true, DeviceTransport::kDirect, "each rank has a device of its own");
    expect_choice(wanted, {kFirst, make_location("node1", "boot-b", "0000:17:00.0")}, true, DeviceTransport::kDirect,
                  "each rank has a device of its own");
  }
}

TEST(Transport, GoesThroughTheHostElsewhereAndSaysWhy) {
  expect_choice("auto", {kFirst, kElsewhere, kSecond, kFirst}, true, DeviceTransport::kHost,
                "ranks 0 and 3 share device 0000:17:00.0 of host 'node1'");
  expect_choice("auto", {kFirst, kNone}, true, DeviceTransport::kHost, "rank 1 on host 'node2' has no device");
  expect_choice("auto", {kNone, kNone}, true, DeviceTransport::kHost, "rank 0 on host 'node2' has no device");
  expect_choice("auto", {kFirst, kSecond}, false, DeviceTransport::kHost, "this program was built without NCCL");
  expect_choice("host", {kFirst, kSecond}, true, DeviceTransport::kHost, "exchange.transport is host");
}

TEST(Transport, OneRankNeedsNone) {
  for (const char* wanted : {"auto", "nccl", "host"})
    expect_choice(wanted, {kFirst}, true, DeviceTransport::kNone, "there is one rank");
}

TEST(Transport, ThatIsAskedForIsThatOrAnError) {
  test::expect_error(ExitStatus::kUsage,
                     {"exchange.transport 'nccl'", "ranks 1 and 2 share device 0000:65:00.0 of host 'node1'",
                      "exchange.transport=auto"},
                     [] {
                       (void)choose_transport("nccl", std::vector{kFirst, kSecond, kSecond}, true);
                     });
  test::expect_error(ExitStatus::kUsage, {"exchange.transport 'nccl'", "rank 1 on host 'node2' has no device"}, [] {
    (void)choose_transport("nccl", std::vector{kFirst, kNone}, true);
  });
  test::expect_error(ExitStatus::kUsage, {"without NCCL"}, [] {
    (void)choose_transport("nccl", std::vector{kFirst, kSecond}, false);
  });
}

TEST(DeviceLocations, AreKnownToAllRanks) {
  const std::vector<DeviceLocation> locations = {kFirst, kSecond, kElsewhere};
  run_ranks(3, [&](Communicator& comm) {
    EXPECT_EQ(gather_locations(comm, locations[static_cast<std::size_t>(comm.rank().value())]), locations);
  });
  EXPECT_EQ(location_without_device(), location_without_device()) << "this machine is always the same";
  EXPECT_EQ(location_without_device().bus_id[0], '\0');
}

TEST(DeviceLocations, KeepWhatFitsOfLongNames) {
  const DeviceLocation location = make_location(std::string(500, 'h'), std::string(500, 'm'), std::string(500, 'b'));
  EXPECT_EQ(std::string(location.host.data()), std::string(63, 'h'));
  EXPECT_EQ(std::string(location.bus_id.data()), std::string(31, 'b'));
}

}  // namespace
}  // namespace tessera::comm
