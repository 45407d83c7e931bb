// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/pair_effort.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

#include <array>

namespace tessera::model {

void log_effort(comm::Communicator& comm, const PairEffort& own) {
  std::array<std::int64_t, 3> effort = {static_cast<std::int64_t>(own.screened),
                                        static_cast<std::int64_t>(own.rescored),
                                        static_cast<std::int64_t>(own.recounted)};
  comm.all_reduce(effort, comm::Reduction::kSum);
  if (comm.rank() != Rank(0) || effort[0] == 0) return;
  log::info("screened {} pairs of query and entity; {} ({:.3g} %) were scored again one by one, {} in tiles",
            text::with_thousands(static_cast<std::uint64_t>(effort[0])),
            text::with_thousands(static_cast<std::uint64_t>(effort[1])),
            100 * static_cast<double>(effort[1]) / static_cast<double>(effort[0]),
            text::with_thousands(static_cast<std::uint64_t>(effort[2])));
}

}  // namespace tessera::model
