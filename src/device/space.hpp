// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::device {

/// Where bytes lie, and so who may touch them.
enum class Space : std::uint8_t {
  kHost,    ///< memory of the process
  kPinned,  ///< memory of the process that a device can read and write directly: locked, and known to its driver
  kDevice,  ///< memory of a device: the host only hands its addresses on
};

/// "host", "pinned", "device".
constexpr const char* name(Space space) {
  switch (space) {
    case Space::kHost: return "host";
    case Space::kPinned: return "pinned";
    case Space::kDevice: return "device";
  }
  return "unknown";
}

/// Whether the process can read and write it.
constexpr bool is_host(Space space) { return space != Space::kDevice; }

}  // namespace tessera::device
