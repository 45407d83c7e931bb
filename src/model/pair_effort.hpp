// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

#include <cstdint>

namespace tessera::model {

/// Pairs of a query and a row that a rank compared.
struct PairEffort {
  std::uint64_t screened = 0;   ///< by approximate scores first; 0: all of them by their exact scores
  std::uint64_t rescored = 0;   ///< of those: scored again exactly, one by one
  std::uint64_t recounted = 0;  ///< of those: in tiles that were scored again as a whole
};

/// Collective. Logs the sum over all ranks, where anything was screened.
void log_effort(comm::Communicator& comm, const PairEffort& own);

}  // namespace tessera::model
