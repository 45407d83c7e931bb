// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/device_context.hpp"

#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "evaluate/device_counts.hpp"

#include <utility>

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

memory::DeviceUse DeviceMemory::use() const {
  if (share_.is_shared) return {planned_bytes_, 0};
  const std::uint64_t measured =
      memory::measured_bytes({share_.free_bytes, share_.device.free_bytes(), pool_.budget_bytes(), pool_.peak_bytes()});
  return {planned_bytes_, measured};
}

std::optional<DeviceMemory> plan_device_memory(const Environment& environment,
                                               const std::optional<train::DeviceShare>& share,
                                               const std::optional<memory::DevicePool>& pool) {
  if (!pool) return std::nullopt;
  if (environment.is_root())
    log::info("planned device memory of this rank: {} ({})", text::bytes(pool->used_bytes()), pool->describe());
  return std::optional<DeviceMemory>(std::in_place, *share, *pool);
}

evaluate::MakeCounts make_counts(std::optional<memory::DevicePool>& pool, const Job& job) {
  if (!pool) return {};
  return evaluate::device_counts(*pool, train::find_products(job.run.products));
}

}  // namespace tessera::cli
