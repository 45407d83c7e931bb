// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Ranks with a device each. A main of its own: all ranks skip together where there are fewer devices.
#include "comm/agreement.hpp"
#include "comm/mpi/mpi_session.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "core/error.hpp"
#include "device/device.hpp"
#include "device/memory.hpp"
#include "device/stream.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <span>
#include <vector>

namespace tessera::comm {
namespace {

constexpr std::chrono::seconds kWatchdog{60};

Communicator*& world() {
  static Communicator* instance = nullptr;
  return instance;
}

device::Device own_device() {
  return device::Device::open(device::device_of_rank(world()->rank().value(), device::device_count()));
}

std::vector<std::int32_t> message(Rank from, Rank to, std::size_t count) {
  std::vector<std::int32_t> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<std::int32_t>(i) * 100 + from.value() * 10 + to.value();
  return values;
}

/// Messages of a different size for each pair of ranks, this rank included.
std::size_t size_between(std::int32_t from, std::int32_t to) { return 1000 + static_cast<std::size_t>(from * 7 + to); }

TEST(NcclGpu, EveryRankSendsToEveryRank) {
  const device::Device device = own_device();
  const device::Stream stream(device);
  const auto nccl = make_nccl_communicator(*world(), device, kWatchdog);
  std::vector<device::Block> blocks;
  std::vector<DeviceSend> sends;
  std::vector<DeviceReceive> receives;
  std::vector<std::vector<std::int32_t>> sent;
  const Rank me = world()->rank();
  for (std::int32_t peer = 0; peer < world()->size(); ++peer) {
    sent.push_back(message(me, Rank(peer), size_between(me.value(), peer)));
    const auto bytes = std::as_bytes(std::span(sent.back()));
    blocks.emplace_back(device, bytes.size());
    device::copy_bytes(bytes, blocks.back().span(), stream.view());
    sends.push_back({blocks.back().span(), Rank(peer)});
    blocks.emplace_back(device, size_between(peer, me.value()) * sizeof(std::int32_t));
    receives.push_back({blocks.back().span(), Rank(peer)});
  }
  nccl->exchange(sends, receives, stream.view());
  nccl->exchange({}, {}, stream.view());
  nccl->wait(stream.view());
  for (std::int32_t peer = 0; peer < world()->size(); ++peer) {
    std::vector<std::int32_t> got(size_between(peer, me.value()));
    device::copy_bytes(device::Span<const std::byte>(receives[static_cast<std::size_t>(peer)].buffer),
                       std::as_writable_bytes(std::span(got)), stream.view());
    stream.view().synchronize();
    EXPECT_EQ(got, message(Rank(peer), me, got.size())) << "from " << peer;
  }
}

// What a rank waits for is what its event marks; what it gives up comes to an end, though nobody else takes part in it.
TEST(NcclGpu, EventsAreWaitedForAndTransfersGivenUp) {
  const device::Device device = own_device();
  const device::Stream stream(device);
  const auto nccl = make_nccl_communicator(*world(), device, kWatchdog);
  const device::Block block(device, 1U << 20U);
  device::Event event(device);
  nccl->wait(event.view());  // never recorded
  const Rank me = world()->rank();
  const DeviceSend to_self{block.span().subspan(0, 1000), me};
  const DeviceReceive from_self{block.span().subspan(1000, 1000), me};
  nccl->exchange(std::span(&to_self, 1), std::span(&from_self, 1), stream.view());
  event.record(stream.view());
  nccl->wait(event.view());
  EXPECT_TRUE(event.view().is_done());
  if (world()->size() > 1 && me.value() < 2) {
    const Rank peer(1 - me.value());
    const DeviceSend send{block.span().subspan(0, 1000), peer};
    const DeviceReceive receive{block.span().subspan(1000, 1000), peer};
    nccl->exchange(std::span(&send, 1), std::span(&receive, 1), stream.view());  // connects the two
    nccl->wait(stream.view());
    if (me == Rank(0)) nccl->exchange({}, std::span(&receive, 1), stream.view());  // and nobody sends
  }
  nccl->give_up(stream.view());
  EXPECT_TRUE(stream.view().is_done());
}

TEST(NcclGpu, TwoRanksOnOneDeviceAreRefused) {
  if (world()->size() == 1) return;
  const device::Device first = device::Device::open(0);
  EXPECT_THROW((void)make_nccl_communicator(*world(), first, kWatchdog), AgreedError);
}

}  // namespace

int run(int argc, char** argv) {
  const MpiSession session;
  const std::unique_ptr<Communicator> comm = session.world(kWatchdog);
  world() = comm.get();
  try {
    together(*comm, [&] {
      if (device::device_count() < comm->size())
        fail(ExitStatus::kUsage, "{} devices for {} ranks", device::device_count(), comm->size());
      (void)own_device();
    });
  } catch (const Error& error) {
    if (comm->is_root()) std::printf("skipped: %s\n", error.what());
    return 77;
  }
  testing::InitGoogleTest(&argc, argv);
  const int mine = RUN_ALL_TESTS();
  return comm->reduce(mine, Reduction::kMax) == 0 ? 0 : 1;
}

}  // namespace tessera::comm

int main(int argc, char** argv) { return tessera::comm::run(argc, argv); }
