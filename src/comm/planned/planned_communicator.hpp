// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

#include <cstdint>
#include <memory>

namespace tessera::comm {

/// A rank of a job that does not run: for plans. Collectives take every rank to be like this one; messages are refused
/// with Error(kInternal).
struct PlannedRanks {
  Rank rank;
  std::int32_t size = 1;
  std::int32_t ranks_on_host = 1;
};
std::unique_ptr<Communicator> make_planned_communicator(const PlannedRanks& ranks);

}  // namespace tessera::comm
