// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

#include <mpi.h>

#include <chrono>
#include <memory>

namespace tessera::comm::detail {

/// A duplicate of `parent` with its own error handling. `split_bytes` is the largest single transfer.
std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm parent, std::chrono::seconds watchdog,
                                                    std::uint64_t split_bytes = std::uint64_t{1} << 30U);

}  // namespace tessera::comm::detail
