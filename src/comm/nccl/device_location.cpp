// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/device_location.hpp"

#include "core/error.hpp"
#include "core/provenance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace tessera::comm {
namespace {

template <std::size_t kSize>
void put(std::string_view text, std::array<char, kSize>& to) {
  std::copy_n(text.begin(), std::min(text.size(), kSize - 1), to.begin());
}

template <std::size_t kSize>
std::string_view text_of(const std::array<char, kSize>& from) {
  return from.data();
}

DeviceLocation location_here(std::string_view bus_id) {
  std::string machine;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), machine);
  return make_location(host_name(), machine, bus_id);
}

}  // namespace

DeviceLocation make_location(std::string_view host, std::string_view machine, std::string_view bus_id) {
  DeviceLocation location;
  put(host, location.host);
  put(machine, location.machine);
  put(bus_id, location.bus_id);
  return location;
}

DeviceLocation location_of(device::Device device) { return location_here(device.properties().bus_id); }

DeviceLocation location_without_device() { return location_here({}); }

std::vector<DeviceLocation> gather_locations(Communicator& comm, const DeviceLocation& mine) {
  std::vector<DeviceLocation> all(static_cast<std::size_t>(comm.size()));
  const std::vector<std::uint64_t> counts(all.size(), sizeof(DeviceLocation));
  comm.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)), counts);
  return all;
}

std::string why_not_direct(std::span<const DeviceLocation> locations) {
  for (std::size_t b = 0; b < locations.size(); ++b) {
    const DeviceLocation& location = locations[b];
    if (text_of(location.bus_id).empty())
      return fmt::format("rank {} on host '{}' has no device", b, text_of(location.host));
    for (std::size_t a = 0; a < b; ++a)
      if (locations[a].machine == location.machine && locations[a].bus_id == location.bus_id)
        return fmt::format("ranks {} and {} share device {} of host '{}'", a, b, text_of(location.bus_id),
                           text_of(location.host));
  }
  return {};
}

TransportChoice choose_transport(const std::string& wanted, std::span<const DeviceLocation> locations, bool has_nccl) {
  if (locations.size() == 1) return {DeviceTransport::kNone, "there is one rank"};
  if (wanted == "host") return {DeviceTransport::kHost, "exchange.transport is host"};
  const std::string no = has_nccl ? why_not_direct(locations) : "this program was built without NCCL";
  if (no.empty()) return {DeviceTransport::kDirect, "each rank has a device of its own"};
  if (wanted == "nccl")
    fail(ExitStatus::kUsage,
         "exchange.transport 'nccl' needs a device of its own for each rank: {}; start fewer ranks, or use "
         "exchange.transport=auto",
         no);
  return {DeviceTransport::kHost, no};
}

}  // namespace tessera::comm
