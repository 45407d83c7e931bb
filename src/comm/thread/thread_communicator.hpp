// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

#include <functional>

namespace tessera::comm {

/// Runs `body` on `ranks` threads, each with a communicator of the group; for tests of many ranks in one process. When
/// a rank throws, the others throw as soon as they communicate, and the first exception is rethrown here.
void run_ranks(std::int32_t ranks, const std::function<void(Communicator&)>& body);

}  // namespace tessera::comm
