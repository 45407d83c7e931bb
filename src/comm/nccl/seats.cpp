// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/seats.hpp"

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

Seat seat_here(std::string_view bus_id) {
  std::string machine;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), machine);
  return make_seat(host_name(), machine, bus_id);
}

}  // namespace

Seat make_seat(std::string_view host, std::string_view machine, std::string_view bus_id) {
  Seat seat;
  put(host, seat.host);
  put(machine, seat.machine);
  put(bus_id, seat.bus_id);
  return seat;
}

Seat seat_of(device::Device device) { return seat_here(device.properties().bus_id); }

Seat seat_without_device() { return seat_here({}); }

std::vector<Seat> gather_seats(Communicator& comm, const Seat& mine) {
  std::vector<Seat> all(static_cast<std::size_t>(comm.size()));
  const std::vector<std::uint64_t> counts(all.size(), sizeof(Seat));
  comm.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)), counts);
  return all;
}

std::string why_not_direct(std::span<const Seat> seats) {
  for (std::size_t b = 0; b < seats.size(); ++b) {
    const Seat& seat = seats[b];
    if (text_of(seat.bus_id).empty()) return fmt::format("rank {} on host '{}' has no device", b, text_of(seat.host));
    for (std::size_t a = 0; a < b; ++a)
      if (seats[a].machine == seat.machine && seats[a].bus_id == seat.bus_id)
        return fmt::format("ranks {} and {} share device {} of host '{}'", a, b, text_of(seat.bus_id),
                           text_of(seat.host));
  }
  return {};
}

TransportChoice choose_transport(const std::string& wanted, std::span<const Seat> seats, bool has_nccl) {
  if (seats.size() == 1) return {DeviceTransport::kNone, "there is one rank"};
  if (wanted == "host") return {DeviceTransport::kHost, "exchange.transport is host"};
  const std::string no = has_nccl ? why_not_direct(seats) : "this program was built without NCCL";
  if (no.empty()) return {DeviceTransport::kDirect, "each rank has a device of its own"};
  if (wanted == "nccl")
    fail(ExitStatus::kUsage,
         "exchange.transport 'nccl' needs a device of its own for each rank: {}; start fewer ranks, or use "
         "exchange.transport=auto",
         no);
  return {DeviceTransport::kHost, no};
}

}  // namespace tessera::comm
