// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/ids.hpp"
#include "device/device.hpp"
#include "device/span.hpp"
#include "device/stream.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tessera::comm {

/// Bytes on this rank's device for another rank, or for itself.
struct DeviceSend {
  device::Span<const std::byte> data;
  Rank to;
};

/// Where bytes from another rank arrive; both sides state the same size.
struct DeviceReceive {
  device::Span<std::byte> buffer;
  Rank from;
};

/// The ranks of a job and their device memory, next to the communicator for host memory. Transfers only: sums follow
/// the tree over parts (exchange/tree/part_tree.hpp) and are ours. While its work is pending no other library may move
/// data of the same devices between processes. One thread per rank calls it.
class DeviceCommunicator : public device::Waiter {
 public:
  /// Enqueues transfers on `stream` that all make progress together, so that no order of them can block; returns at
  /// once. Every send has its receive in a call of the other rank; those of one pair of ranks match in the order of the
  /// lists. An empty list is no work. Between two ranks one message costs a few microseconds.
  virtual void exchange(std::span<const DeviceSend> sends, std::span<const DeviceReceive> receives,
                        device::StreamView stream) = 0;

  /// Waits for the device, and checks NCCL and the clock in turn. A failed transfer ends the job, and so does a peer
  /// that is silent for the time of the watchdog: nothing else stops the kernels of a stuck transfer.
  using device::Waiter::wait;

  /// For a rank that an exception ends: gives up what is under way, so that `stream` comes to its end and memory can
  /// go; where it does not, the job ends here. Nothing can be exchanged afterwards.
  virtual void give_up(device::StreamView stream) noexcept = 0;

  /// How long a wait may last before the peer counts as hanging.
  virtual void set_watchdog(std::chrono::seconds limit) = 0;

  /// Bytes handed to other ranks since the start.
  [[nodiscard]] virtual std::uint64_t bytes_sent() const = 0;
};

/// Collective over `host`. The ranks and their order are those of `host`; each rank passes its own device. All ranks
/// throw the same AgreedError when two share a device, when a device or NCCL cannot be used on any of them, or when not
/// all are there within `watchdog`. `host` outlives the communicator, which is destroyed on all ranks together, after
/// wait(). Transfers above 1 GiB are split. A build without CUDA has no device to call it with, and throws.
std::unique_ptr<DeviceCommunicator> make_nccl_communicator(Communicator& host, device::Device device,
                                                           std::chrono::seconds watchdog);

/// Whether this program was built with NCCL.
bool built_with_nccl();

}  // namespace tessera::comm
