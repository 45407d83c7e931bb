// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "device/device.hpp"

namespace tessera::device {

void check_supported(const Properties& properties) {
  // Minor versions of one CUDA release work with any driver of that release.
  const bool driver_fits = properties.driver.major >= properties.runtime.major;
  if (properties.compute_capability >= kLeastCapability && driver_fits) return;
  fail(ExitStatus::kUsage,
       "device '{}' has compute capability {}.{} and a driver for CUDA {}.{}; this program needs compute capability "
       "{}.{} or newer and a driver for CUDA {}.0 or newer",
       properties.name, properties.compute_capability.major, properties.compute_capability.minor,
       properties.driver.major, properties.driver.minor, kLeastCapability.major, kLeastCapability.minor,
       properties.runtime.major);
}

int device_of_rank(int rank_on_host, int devices) {
  TESSERA_ASSERT(rank_on_host >= 0 && devices > 0, "a rank of a host with devices");
  return rank_on_host % devices;
}

}  // namespace tessera::device
