// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "device/space.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace tessera::comm {

/// Moves memory of one space between ranks. Every send has its receive in a call of the other rank, of the same size;
/// those of one pair of ranks match in the order of the lists. None is empty.
template <device::Space kSpace>
class RankTransport;

/// Done when exchange() returns.
template <>
class RankTransport<device::Space::kHost> {
 public:
  struct Send {
    std::span<const std::byte> data;
    Rank to;
  };
  struct Receive {
    std::span<std::byte> buffer;
    Rank from;
  };
  explicit RankTransport(Communicator& comm) : comm_(comm) {}
  void exchange(std::span<const Send> sends, std::span<const Receive> receives);

 private:
  Communicator& comm_;
  std::vector<Request> requests_;
};

/// Enqueued on a stream: no host waits.
template <>
class RankTransport<device::Space::kDevice> {
 public:
  using Send = DeviceSend;
  using Receive = DeviceReceive;
  RankTransport(DeviceCommunicator& links, device::StreamView stream) : links_(links), stream_(stream) {}
  void exchange(std::span<const Send> sends, std::span<const Receive> receives) {
    links_.exchange(sends, receives, stream_);
  }

 private:
  DeviceCommunicator& links_;
  device::StreamView stream_;
};

}  // namespace tessera::comm
