// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tessera::memory {

/// Device memory of a rank.
struct DeviceUse {
  std::uint64_t planned_bytes =
      0;  ///< what its pool gave out before the first step, the workspace of products included
  std::uint64_t measured_bytes = 0;  ///< what its driver says is gone, less what its pool never gave out; 0: unknown
};

/// Two readings of a driver, and the pool that was made between them.
struct DeviceReadings {
  std::uint64_t free_before;  ///< before the pool was made, the context being there
  std::uint64_t free_now;
  std::uint64_t pool_bytes;       ///< taken at once
  std::uint64_t pool_peak_bytes;  ///< given out of them, at most
};

/// The pool's peak and the memory of kernels and libraries. Right where no other process uses the device.
std::uint64_t measured_bytes(const DeviceReadings& readings);

/// "planned 1.0 GiB, measured 1.1 GiB (4.2 % more)".
std::string describe(const DeviceUse& use);

}  // namespace tessera::memory
