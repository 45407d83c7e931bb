// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

#include <cstdint>

namespace tessera::search {

/// Pairs of a query and a row that a rank screened, and what screening left open.
struct Cost {
  std::uint64_t screened = 0;   ///< compared by approximate scores first; 0: all of them by their exact scores
  std::uint64_t rescored = 0;   ///< of those: scored again exactly, one by one
  std::uint64_t recounted = 0;  ///< of those: in tiles that were scored again as a whole
};

/// Collective. Logs the sum over all ranks, where anything was screened.
void log_cost(comm::Communicator& comm, const Cost& own);

}  // namespace tessera::search
