// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

namespace tessera::kernels {

/// The kernel bodies of the CUDA backend, run on the host one thread after the other: slow, and what the contract tests
/// can check of them without a device.
const Backend& host_grid_backend();

}  // namespace tessera::kernels
