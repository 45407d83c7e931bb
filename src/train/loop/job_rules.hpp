// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "graph/partition_manifest.hpp"

#include <string>
#include <vector>

namespace tessera::train {

/// Which models, losses, regularisers and ways to exchange fit each other. Throws Error(kUsage) that names the pair and
/// what would fit. exchange.mode may still be "auto".
void check_fit(const Job& job);

/// Why the job cannot be trained on a device, or an empty string.
std::string against_device(const Job& job);

/// Throws Error(kUsage) when there are more ranks than parts with rows in memory.
void require_resident_parts(const Job& job, std::int32_t ranks);

/// Refuses what cannot be trained when only `device_ranks` of `ranks` ranks compute on devices. Throws Error(kUsage).
void check_fit_of_ranks(const Job& job, int device_ranks, int ranks);

/// Settings of the job that have no effect with its others, "key (why)" each: for a warning.
std::vector<std::string> idle_settings(const Job& job);

struct ExchangeChoice {
  std::string mode;    ///< "rows" or "queries"
  std::string reason;  ///< for people
};

/// Decides what "auto" means. It is the mode that the loss and the model need, else the mode that moves fewer bytes
/// when every part has a rank of its own. So the choice, and with it every bit, does not depend on the ranks. With
/// `on_devices` at least one rank trains on a device.
ExchangeChoice choose_exchange(const Job& job, const graph::PartitionManifest& manifest, bool on_devices = false);

}  // namespace tessera::train
