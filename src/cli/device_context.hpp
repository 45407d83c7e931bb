// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "core/job.hpp"
#include "evaluate/evaluator.hpp"
#include "memory/pool.hpp"
#include "train/resident/device_engine.hpp"

#include <memory>
#include <optional>

namespace tessera::cli {

/// Collective. The device of this rank, if the job wants one: before anything is loaded, and before any rank takes
/// memory of it. Throws AgreedError.
std::optional<train::DeviceShare> open_device(Environment& environment, const Job& job);

/// Collective. How the devices of the job exchange, as exchange.transport says; rank 0 logs which way and why. Null
/// where there is one rank, or where they go through the host. Connects them, before anything is loaded. Throws
/// AgreedError, kUsage when NCCL is asked for and cannot be. Destroyed on all ranks together, after what uses it.
std::unique_ptr<comm::DeviceCommunicator> link_devices(Environment& environment, const Job& job,
                                                       const std::optional<train::DeviceShare>& share);

/// Candidates are compared on the device of `pool`, or on the host when there is none.
evaluate::MakeCounts make_counts(std::optional<memory::DevicePool>& pool, const Job& job);

}  // namespace tessera::cli
