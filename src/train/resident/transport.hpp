// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "kernels/matrix.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace tessera::train {

/// Moves memory of one space between ranks. Every send has its receive in a call of the other rank, of the same size;
/// those of one pair of ranks match in the order of the lists. None is empty.
template <kernels::Space kSpace>
class RankTransport;

/// Done when exchange() returns.
template <>
class RankTransport<kernels::Space::kHost> {
 public:
  struct Send {
    std::span<const std::byte> data;
    Rank to;
  };
  struct Receive {
    std::span<std::byte> buffer;
    Rank from;
  };
  explicit RankTransport(comm::Communicator& comm) : comm_(comm) {}
  void exchange(std::span<const Send> sends, std::span<const Receive> receives);

 private:
  comm::Communicator& comm_;
  std::vector<comm::Request> requests_;
};

/// Enqueued on a stream: no host waits.
template <>
class RankTransport<kernels::Space::kDevice> {
 public:
  using Send = comm::DeviceSend;
  using Receive = comm::DeviceReceive;
  RankTransport(comm::DeviceCommunicator& links, device::StreamView stream) : links_(links), stream_(stream) {}
  void exchange(std::span<const Send> sends, std::span<const Receive> receives) {
    links_.exchange(sends, receives, stream_);
  }

 private:
  comm::DeviceCommunicator& links_;
  device::StreamView stream_;
};

}  // namespace tessera::train
