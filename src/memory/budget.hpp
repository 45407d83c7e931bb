// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tessera::memory {

/// Bytes of host memory that one rank may use for its pools, and who said so.
struct Budget {
  std::uint64_t host_bytes = 0;    ///< bytes of the pool that is not pinned
  std::uint64_t pinned_bytes = 0;  ///< bytes of the pinned pool, taken from the same memory
  std::string source;  ///< "run.memory", "control group limit", "SLURM_MEM_PER_NODE", "available memory", ...
};

/// The budget of a rank: `job_value` ("4GiB") if not empty, else the smallest limit that the machine states (control
/// group, Slurm, available memory) divided by the ranks on this host, less a tenth of headroom.
Budget find_budget(const std::string& job_value, int ranks_on_host);

/// The memory of this machine in bytes; 0 where it does not say.
std::uint64_t machine_bytes();

/// Takes `bytes` of the budget for the pinned pool. Throws Error(kOverBudget) when nothing is left for the other pool.
Budget with_pinned(Budget budget, std::uint64_t bytes);

}  // namespace tessera::memory
