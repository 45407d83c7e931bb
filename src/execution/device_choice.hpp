// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "device/device.hpp"
#include "kernels/backend.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace tessera::execution {

/// The device of a rank, and how many bytes of it the rank may use.
struct DeviceShare {
  device::Device device;
  std::uint64_t bytes;
  std::string source;        ///< who said so
  std::uint64_t free_bytes;  ///< free bytes of the device before any rank allocates
  bool is_shared;            ///< by several ranks
};

/// The products of a device that run.products asks for. Throws Error(kUsage).
kernels::Products find_products(const std::string& products);

/// "bf16" for "auto".
std::string device_products(const std::string& products);

/// The kernels of a host that run.products asks for: products in bf16, or else in fp32. Throws Error(kUsage) where the
/// CPU has no instructions for bf16.
const kernels::Backend& find_host_kernels(const std::string& products);

/// The device number `rank_on_host` modulo those that are there, and run.device_memory of it; without that seven
/// eighths of what is free, divided by the ranks that share it. All ranks of a host ask before any of them takes
/// memory. Throws Error(kUsage) in a build without CUDA ("built without CUDA ...") and without a device ("no device:
/// ..."), Error(kOverBudget) when all ranks of the device together want more than is free.
DeviceShare find_device(const Job& job, int rank_on_host, int ranks_on_host);

}  // namespace tessera::execution
