// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "device/space.hpp"
#include "device/span.hpp"

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

namespace tessera::comm {

struct HostSend {
  std::span<const std::byte> data;
  Rank to;
};

struct HostReceive {
  std::span<std::byte> buffer;
  Rank from;
};

/// Moves memory of one space between ranks. Every send has its receive in a call of the other rank, of the same size;
/// those of one pair of ranks match in the order of the lists. None is empty.
template <device::Space kSpace>
class RankTransport {
 public:
  static constexpr bool kIsHost = kSpace == device::Space::kHost;
  template <class T>
  using Vector = std::conditional_t<kIsHost, std::span<T>, device::Span<T>>;
  using Send = std::conditional_t<kIsHost, HostSend, DeviceSend>;
  using Receive = std::conditional_t<kIsHost, HostReceive, DeviceReceive>;

  virtual ~RankTransport() = default;
  /// On the host, done when it returns; on a device, in the order of the stream's work.
  virtual void exchange(std::span<const Send> sends, std::span<const Receive> receives) = 0;
  /// For a rank that an exception ends: nothing is under way afterwards, and nothing can be exchanged.
  virtual void give_up() noexcept {}
  /// For people: "ranks exchange ...".
  [[nodiscard]] virtual const char* description() const = 0;
};

/// Host memory by MPI.
class HostTransport final : public RankTransport<device::Space::kHost> {
 public:
  explicit HostTransport(Communicator& comm) : comm_(comm) {}
  void exchange(std::span<const Send> sends, std::span<const Receive> receives) override;
  [[nodiscard]] const char* description() const override { return "ranks exchange by MPI"; }

 private:
  Communicator& comm_;
  std::vector<Request> requests_;
};

/// Device memory by NCCL, enqueued on a stream: no host waits.
class NcclTransport final : public RankTransport<device::Space::kDevice> {
 public:
  NcclTransport(DeviceCommunicator& links, device::StreamView stream) : links_(links), stream_(stream) {}
  void exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    links_.exchange(sends, receives, stream_);
  }
  void give_up() noexcept override { links_.give_up(stream_); }
  [[nodiscard]] const char* description() const override { return "ranks exchange by NCCL, from device to device"; }

 private:
  DeviceCommunicator& links_;
  device::StreamView stream_;
};

}  // namespace tessera::comm
