// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "core/job.hpp"
#include "execution/device_choice.hpp"
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
  std::optional<execution::DeviceShare> own;  ///< of this rank
  int ranks = 0;                              ///< that have one
};

/// Collective. What job.run.device says: "cpu": none; "cuda": one for every rank, or AgreedError; "auto": one for every
/// rank for which its host has one of its own, unless `why_none` says why this work cannot use any. Before anything is
/// loaded, and before any rank takes memory of a device.
Devices open_devices(Environment& environment, const Job& job, const std::string& why_none = {});

/// Collective. How the devices of the job exchange, as exchange.transport says; rank 0 logs which way and why. Null
/// where there is one rank, or where they go through the host. Connects them, before anything is loaded. Throws
/// AgreedError, kUsage when NCCL is asked for and cannot be. Destroyed on all ranks together, after what uses it.
std::unique_ptr<comm::DeviceCommunicator> link_devices(Environment& environment, const Job& job,
                                                       const Devices& devices);

/// What training takes of a rank's device, once everything is allocated that it needs: `pool` was made of `share`.
class DeviceMemory {
 public:
  DeviceMemory(execution::DeviceShare share, const memory::DevicePool& pool)
      : share_(std::move(share)), pool_(pool), planned_bytes_(pool.used_bytes()) {}
  /// With what the driver says now; ranks that share the device cannot tell theirs from the others'.
  [[nodiscard]] memory::DeviceUse use() const;

 private:
  execution::DeviceShare share_;
  const memory::DevicePool& pool_;
  std::uint64_t planned_bytes_;
};

/// Says on rank 0 what was planned. Nothing without a device.
std::optional<DeviceMemory> plan_device_memory(const Environment& environment, const Devices& devices,
                                               const std::optional<memory::DevicePool>& pool);

/// Candidates are compared on the device of `pool`, or on the host when there is none; with the rows that an engine
/// has there, if any.
search::MakeRanker make_ranker(std::optional<memory::DevicePool>& pool, const Job& job,
                               std::vector<kernels::ConstDeviceMatrix> borrowed_rows = {});
/// Answers are searched there.
search::MakeAnswerer make_answerer(std::optional<memory::DevicePool>& pool, const Job& job);

}  // namespace tessera::cli
