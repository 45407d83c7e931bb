// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

#include <cstdint>

namespace tessera::kernels {

enum class GridOrder : std::uint8_t { kForward, kBackward };

/// The kernel bodies of the CUDA backend, run on the host one thread after the other, from the first or from the last.
/// So the contract tests can check them without a device. They are slow.
const Backend& host_grid_backend(GridOrder order);
const ScreenedRanks& host_grid_screened_ranks(GridOrder order);

}  // namespace tessera::kernels
