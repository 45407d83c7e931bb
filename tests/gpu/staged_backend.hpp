// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

namespace tessera::kernels::testing {

/// The CUDA backend on device 0, behind the interface of a host backend: every call copies its arguments, gaps between
/// rows included, to the device and its results back. So the contract suites run over it as they are.
const Backend& staged_backend();

}  // namespace tessera::kernels::testing
