// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "device/device.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::comm {

/// Where a rank computes: two ranks have the same machine and bus_id if, and only if, they share a device.
struct DeviceLocation {
  std::array<char, 64> host{};     ///< its name, for people: names may repeat
  std::array<char, 64> machine{};  ///< what the kernel calls this start of the machine
  std::array<char, 32> bus_id{};   ///< empty: the rank has no device
  bool operator==(const DeviceLocation&) const = default;
};

/// Longer texts are cut off.
DeviceLocation make_location(std::string_view host, std::string_view machine, std::string_view bus_id);
/// On this machine.
DeviceLocation location_of(device::Device device);
DeviceLocation location_without_device();

/// Collective. By rank.
std::vector<DeviceLocation> gather_locations(Communicator& comm, const DeviceLocation& mine);

/// Why these ranks cannot exchange device memory directly: "ranks 0 and 1 share device 0000:17:00.0 of host 'n1'", or
/// "rank 2 on host 'n2' has no device". Empty when each has a device of its own.
std::string why_not_direct(std::span<const DeviceLocation> locations);

enum class DeviceTransport {
  kNone,    ///< one rank
  kDirect,  ///< from device to device, by NCCL
  kHost,    ///< through pinned memory of the host
};

struct TransportChoice {
  DeviceTransport transport;
  std::string reason;
};

/// Chooses the transport of these ranks. `wanted` is exchange.transport: "auto", "nccl" or "host". Ranks that know the
/// same locations choose the same. Throws Error(kUsage) when the job asks for NCCL and NCCL cannot be used.
TransportChoice choose_transport(const std::string& wanted, std::span<const DeviceLocation> locations, bool has_nccl);

}  // namespace tessera::comm
