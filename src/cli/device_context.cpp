// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/device_context.hpp"

#include "comm/agreement.hpp"
#include "comm/nccl/seats.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "evaluate/device_counts.hpp"

#include <chrono>
#include <utility>
#include <vector>

namespace tessera::cli {
namespace {

train::DeviceShare find_device(const Job& job, const comm::Communicator& comm) {
  try {
    return train::find_device(job, comm.rank_on_host(), comm.ranks_on_host());
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kUsage) throw;
    fail(error.status(), "{}; run.device=cpu does it on the host", error.what());
  }
}

}  // namespace

std::optional<train::DeviceShare> open_device(Environment& environment, const Job& job) {
  if (job.run.device == "cpu") return std::nullopt;
  comm::Communicator& comm = environment.comm;
  return comm::together(comm, [&] {
    train::DeviceShare share = find_device(job, comm);
    if (environment.is_root())
      log::info("device: {}, {} of its memory for each rank ({}), products {}", share.device.properties().name,
                text::bytes(share.bytes), share.source, job.run.products);
    return std::optional(std::move(share));
  });
}

std::unique_ptr<comm::DeviceCommunicator> link_devices(Environment& environment, const Job& job,
                                                       const std::optional<train::DeviceShare>& share) {
  if (job.run.device == "cpu") return nullptr;
  comm::Communicator& comm = environment.comm;
  const comm::Seat mine =
      comm::together(comm, [&] { return share ? comm::seat_of(share->device) : comm::seat_without_device(); });
  const std::vector<comm::Seat> seats = comm::gather_seats(comm, mine);
  const comm::TransportChoice choice = comm::together(
      comm, [&] { return comm::choose_transport(job.exchange.transport, seats, comm::built_with_nccl()); });
  if (choice.transport == comm::DeviceTransport::kNone) return nullptr;
  const bool is_direct = choice.transport == comm::DeviceTransport::kDirect;
  if (environment.is_root())
    log::info("devices exchange {} ({})", is_direct ? "by NCCL" : "through the host's memory", choice.reason);
  if (!is_direct) return nullptr;
  return comm::make_nccl_communicator(comm, share->device, std::chrono::seconds(job.run.watchdog_seconds));
}

evaluate::MakeCounts make_counts(std::optional<memory::DevicePool>& pool, const Job& job) {
  if (!pool) return {};
  return evaluate::device_counts(*pool, train::find_products(job.run.products));
}

}  // namespace tessera::cli
