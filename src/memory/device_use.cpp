// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/device_use.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tessera::memory {

std::uint64_t measured_bytes(const DeviceReadings& readings) {
  const std::uint64_t gone = readings.free_before - std::min(readings.free_before, readings.free_now);
  const std::uint64_t unused = readings.pool_bytes - readings.pool_peak_bytes;
  return gone - std::min(gone, unused);
}

std::string describe(const DeviceUse& use) {
  if (use.measured_bytes == 0) return fmt::format("planned {}, not measured", text::bytes(use.planned_bytes));
  const auto planned = static_cast<double>(use.planned_bytes);
  const double more = 100 * (static_cast<double>(use.measured_bytes) - planned) / planned;
  return fmt::format("planned {}, measured {} ({:.1f} % {})", text::bytes(use.planned_bytes),
                     text::bytes(use.measured_bytes), std::abs(more), more < 0 ? "less" : "more");
}

}  // namespace tessera::memory
