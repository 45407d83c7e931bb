// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/device_context.hpp"

#include "comm/agreement.hpp"
#include "comm/nccl/device_location.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "device/device.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace tessera::cli {
namespace {

execution::DeviceShare demand_device(const Job& job, const comm::Communicator& comm) {
  try {
    return execution::find_device(job, comm.rank_on_host(), comm.ranks_on_host());
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kUsage) throw;
    fail(error.status(), "{}; run.device=cpu does it on the host", error.what());
  }
}

struct Found {
  std::optional<execution::DeviceShare> share;
  std::string why_none;
};

// A device of its host, if there is one.
Found look_for_device(const Job& job, const comm::Communicator& comm) {
  try {
    return {execution::find_device(job, comm.rank_on_host(), std::min(comm.ranks_on_host(), device::device_count())),
            {}};
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kUsage) throw;
    return {{}, error.what()};
  }
}

// Collective. Of the ranks that found the same device the lowest keeps it. Numbers do not say which are the same: a
// binding may show each rank its own as number 0.
void share_out(comm::Communicator& comm, Found& found) {
  const comm::DeviceLocation mine = comm::together(
      comm, [&] { return found.share ? comm::location_of(found.share->device) : comm::location_without_device(); });
  const std::vector<comm::DeviceLocation> locations = comm::gather_locations(comm, mine);
  const auto own = locations.begin() + comm.rank().value();
  const auto first = std::find_if(locations.begin(), own, [&](const comm::DeviceLocation& location) {
    return location.machine == mine.machine && location.bus_id == mine.bus_id;
  });
  if (found.share && first != own)
    found = {
        {},
        fmt::format("rank {} has the device that rank {} would take", first - locations.begin(), comm.rank().value())};
}

// Why the first rank without a device has none.
std::string first_reason(comm::Communicator& comm, const Found& found) {
  const std::int64_t own = found.share ? comm.size() : comm.rank().value();
  const std::int64_t first = comm.reduce(own, comm::Reduction::kMin);
  return first == comm.size() ? "" : comm.broadcast_string(found.why_none, Rank(static_cast<std::int32_t>(first)));
}

Found find_devices(comm::Communicator& comm, const Job& job, const std::string& why_none) {
  Found found = comm::together(comm, [&]() -> Found {
    if (job.run.device == "cuda") return {demand_device(job, comm), {}};
    return why_none.empty() ? look_for_device(job, comm) : Found{{}, why_none};
  });
  if (job.run.device == "auto") share_out(comm, found);
  return found;
}

}  // namespace

Devices open_devices(comm::Communicator& comm, const Job& job, const std::string& why_none) {
  if (job.run.device == "cpu") return {};
  Found found = find_devices(comm, job, why_none);
  const auto ranks = static_cast<int>(comm.reduce(found.share ? 1 : 0, comm::Reduction::kSum));
  const std::string reason = first_reason(comm, found);
  if (comm.is_root()) {
    if (found.share)
      log::info("device: {}, {} of its memory for each rank ({}), products {}", found.share->device.properties().name,
                text::bytes(found.share->bytes), found.share->source, execution::device_products(job.run.products));
    if (ranks == 0)
      log::info("device: none, ranks compute on CPUs: {}", reason);
    else if (ranks < comm.size())
      log::info("{} of {} ranks compute on CPUs: {}", comm.size() - ranks, comm.size(), reason);
  }
  return {std::move(found.share), ranks};
}

std::unique_ptr<comm::DeviceCommunicator> link_devices(comm::Communicator& comm, const Job& job,
                                                       const Devices& devices) {
  if (job.run.device == "cpu" || (devices.ranks == 0 && job.exchange.transport != "nccl")) return nullptr;
  const comm::DeviceLocation mine = comm::together(
      comm, [&] { return devices.own ? comm::location_of(devices.own->device) : comm::location_without_device(); });
  const std::vector<comm::DeviceLocation> locations = comm::gather_locations(comm, mine);
  const comm::TransportChoice choice = comm::together(
      comm, [&] { return comm::choose_transport(job.exchange.transport, locations, comm::built_with_nccl()); });
  if (choice.transport == comm::DeviceTransport::kNone) return nullptr;
  const bool is_direct = choice.transport == comm::DeviceTransport::kDirect;
  if (comm.is_root())
    log::info("devices exchange {} ({})", is_direct ? "by NCCL" : "through the host's memory", choice.reason);
  if (!is_direct) return nullptr;
  return comm::make_nccl_communicator(comm, devices.own->device, std::chrono::seconds(job.run.watchdog_seconds));
}

std::unique_ptr<memory::DevicePool> open_device_pool(comm::Communicator& comm, const Devices& devices) {
  return comm::together(comm, [&] {
    return devices.own ? std::make_unique<memory::DevicePool>(devices.own->device, devices.own->bytes) : nullptr;
  });
}

memory::DeviceUse DeviceMemory::use() const {
  if (share_.is_shared) return {planned_bytes_, 0};
  const std::uint64_t measured =
      memory::measured_bytes({share_.free_bytes, share_.device.free_bytes(), pool_.budget_bytes(), pool_.peak_bytes()});
  return {planned_bytes_, measured};
}

std::optional<DeviceMemory> plan_device_memory(const comm::Communicator& comm, const Devices& devices,
                                               const memory::DevicePool* pool) {
  if (pool == nullptr) return std::nullopt;
  if (comm.is_root())
    log::info("planned device memory of this rank: {} ({})", text::bytes(pool->used_bytes()), pool->describe());
  return std::optional<DeviceMemory>(std::in_place, *devices.own, *pool);
}

search::MakeRanker make_ranker(memory::DevicePool* pool, const Job& job,
                               std::vector<kernels::ConstDeviceMatrix> borrowed_rows) {
  if (pool == nullptr) return search::rank_on_host();
  return search::rank_on_device(*pool, execution::find_products(job.run.products), std::move(borrowed_rows));
}

search::MakeAnswerer make_answerer(memory::DevicePool* pool, const Job& job) {
  if (pool == nullptr) return search::answer_on_host();
  return search::answer_on_device(*pool, execution::find_products(job.run.products));
}

}  // namespace tessera::cli
