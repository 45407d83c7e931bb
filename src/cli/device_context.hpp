// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "core/job.hpp"
#include "evaluate/evaluator.hpp"
#include "memory/device_use.hpp"
#include "memory/pool.hpp"
#include "train/resident/device_engine.hpp"

#include <cstdint>
#include <optional>
#include <utility>

namespace tessera::cli {

/// Collective. The device of this rank, if the job wants one: before anything is loaded, and before any rank takes
/// memory of it. Throws AgreedError.
std::optional<train::DeviceShare> open_device(Environment& environment, const Job& job);

/// What training takes of a rank's device, once everything is allocated that it needs: `pool` was made of `share`.
class DeviceMemory {
 public:
  DeviceMemory(train::DeviceShare share, const memory::DevicePool& pool)
      : share_(std::move(share)), pool_(pool), planned_bytes_(pool.used_bytes()) {}
  /// With what the driver says now; ranks that share the device cannot tell theirs from the others'.
  [[nodiscard]] memory::DeviceUse use() const;

 private:
  train::DeviceShare share_;
  const memory::DevicePool& pool_;
  std::uint64_t planned_bytes_;
};

/// Says on rank 0 what was planned. Nothing without a device.
std::optional<DeviceMemory> plan_device_memory(const Environment& environment,
                                               const std::optional<train::DeviceShare>& share,
                                               const std::optional<memory::DevicePool>& pool);

/// Candidates are compared on the device of `pool`, or on the host when there is none.
evaluate::MakeCounts make_counts(std::optional<memory::DevicePool>& pool, const Job& job);

}  // namespace tessera::cli
