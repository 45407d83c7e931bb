// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/rank_plan.hpp"

#include <cstdint>

namespace tessera::plan {

/// Bytes of a rank's process that are not in its pool: code and libraries, MPI, HDF5, stacks of threads, buffers of
/// files. What this process has when it asks for the first time, before it has loaded anything, is measured; the rest
/// has been measured on runs, see outside.cpp.
std::uint64_t outside_bytes(Stage stage, const PlannedRank& planned);

}  // namespace tessera::plan
