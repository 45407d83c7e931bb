// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/cost.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

#include <array>

namespace tessera::search {

void log_cost(comm::Communicator& comm, const Cost& own) {
  std::array<std::int64_t, 3> cost = {static_cast<std::int64_t>(own.screened), static_cast<std::int64_t>(own.rescored),
                                      static_cast<std::int64_t>(own.recounted)};
  comm.all_reduce(cost, comm::Reduction::kSum);
  if (comm.rank() != Rank(0) || cost[0] == 0) return;
  log::info("screened {} pairs of query and entity; {} ({:.3g} %) were scored again one by one, {} in tiles",
            text::with_thousands(static_cast<std::uint64_t>(cost[0])),
            text::with_thousands(static_cast<std::uint64_t>(cost[1])),
            100 * static_cast<double>(cost[1]) / static_cast<double>(cost[0]),
            text::with_thousands(static_cast<std::uint64_t>(cost[2])));
}

}  // namespace tessera::search
