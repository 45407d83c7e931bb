// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

#include <string_view>

namespace tessera {

/// A place where tests make things fail: `TESSERA_FAULT=point:rank:nth:action` acts the nth time (1 for the first) that
/// this rank passes the point. Actions: `throw` (an exception), `kill` (SIGKILL), `stop` (SIGSTOP: a hanging rank),
/// `signal` (SIGUSR1, as Slurm sends it), `terminate`, `interrupt` and `hangup` (SIGTERM, SIGINT, SIGHUP, of which one
/// is to end the program), `press` and `press-twice` (SIGINT, after which the program may go on), `crawl`
/// (from then on each pass takes 20 ms more). Without the variable
/// it is one test of a flag.
void fault_point(std::string_view point, Rank rank);

}  // namespace tessera
