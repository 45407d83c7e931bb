// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::memory {

/// Pages of this process that are in memory, shared ones included, as the system counts them.
struct Resident {
  std::uint64_t now_bytes = 0;   ///< 0: the system does not say
  std::uint64_t peak_bytes = 0;  ///< since the process began
};
Resident resident();

}  // namespace tessera::memory
