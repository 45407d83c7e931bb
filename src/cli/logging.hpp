// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

namespace tessera::cli {

enum class Verbosity { kQuiet, kNormal, kVerbose };

/// Sends the library's messages to stderr. Rank 0 says everything, the others only warnings, with their rank.
void start_logging(Rank rank, Verbosity verbosity);

}  // namespace tessera::cli
