// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"

#include <cuda_runtime_api.h>

namespace tessera::device {

/// Throws Error with the call, the current device and the cause: kOverBudget for memory, else kInternal.
void check_cuda(cudaError_t status, const char* call);

/// Makes a device the current one of this thread, for the calls that follow; whoever needs one says so. The one before
/// is not brought back: it may be device 0, and making that current sets up a context on it (about 0.5 GiB) in
/// processes that do not use it.
void make_current(Device device);

}  // namespace tessera::device

#define TESSERA_CUDA_TRY(call) ::tessera::device::check_cuda(call, #call)
