// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "core/job.hpp"
#include "execution/device_choice.hpp"
#include "kernels/matrix.hpp"
#include "memory/device_use.hpp"
#include "memory/pool.hpp"
#include "search/answerer.hpp"
#include "search/ranker.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::cli {

/// The devices of a run.
struct Devices {
  std::optional<execution::DeviceShare> own;  ///< the share of this rank, if it computes on a device
  int ranks = 0;                              ///< number of ranks that compute on a device
};

/// Collective. Finds the devices that job.run.device asks for. With "cpu", no rank gets a device. With "cuda", every
/// rank gets one; throws AgreedError where a host has none. With "auto", each device of a host goes to one rank; no
/// rank gets one if `why_none` gives a reason. Must be called before any rank loads data or allocates device memory.
Devices open_devices(comm::Communicator& comm, const Job& job, const std::string& why_none = {});

/// Collective. The memory pool on this rank's device; null where the rank computes on the host.
std::unique_ptr<memory::DevicePool> open_device_pool(comm::Communicator& comm, const Devices& devices);

/// Collective. Connects the devices of all ranks as exchange.transport says; rank 0 logs the transport and the reason.
/// Returns null where one rank runs alone or data goes through the host. Must be called before any rank loads data.
/// Throws AgreedError(kUsage) when the job asks for NCCL and NCCL cannot be used. All ranks destroy the result
/// together, after the objects that use it.
std::unique_ptr<comm::DeviceCommunicator> link_devices(comm::Communicator& comm, const Job& job,
                                                       const Devices& devices);

/// The memory that training takes on a rank's device. Made after all allocations; `pool` was made of `share`.
class DeviceMemory {
 public:
  DeviceMemory(execution::DeviceShare share, const memory::DevicePool& pool)
      : share_(std::move(share)), pool_(pool), planned_bytes_(pool.used_bytes()) {}
  /// The use that the driver reports now. Ranks that share a device report no measured bytes.
  [[nodiscard]] memory::DeviceUse use() const;

 private:
  execution::DeviceShare share_;
  const memory::DevicePool& pool_;
  std::uint64_t planned_bytes_;
};

/// Logs the planned device memory on rank 0. Nothing without a device.
std::optional<DeviceMemory> plan_device_memory(const comm::Communicator& comm, const Devices& devices,
                                               const memory::DevicePool* pool);

/// Candidates are compared on the device of `pool`, or on the host when there is none. `borrowed_rows` are the rows
/// that an engine has on this device, if any.
search::MakeRanker make_ranker(memory::DevicePool* pool, const Job& job,
                               std::vector<kernels::ConstDeviceMatrix> borrowed_rows = {});
/// Answers are searched on the device of `pool`, or on the host when there is none.
search::MakeAnswerer make_answerer(memory::DevicePool* pool, const Job& job);

}  // namespace tessera::cli
