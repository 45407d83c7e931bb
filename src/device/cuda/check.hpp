// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"

#include <cuda_runtime_api.h>

namespace tessera::device {

/// Throws Error with the call, the current device and the cause: kOverBudget for memory, else kInternal.
void check_cuda(cudaError_t status, const char* call);

/// Makes a device the current one of this thread for a scope; nothing relies on the current device outside of one.
class DeviceScope {
 public:
  explicit DeviceScope(Device device);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int previous_ = 0;
};

}  // namespace tessera::device

#define TESSERA_CUDA_TRY(call) ::tessera::device::check_cuda(call, #call)
