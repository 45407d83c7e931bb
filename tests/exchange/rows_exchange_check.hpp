// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "support/graph_fixture.hpp"

#include <cstdint>

namespace tessera::test {

/// How rows come to those that need them: as ranks on hosts do, or in the order of an executor's work, from memory to
/// memory or through other memory.
enum class RowsWay : std::uint8_t { kEarly, kOrdered, kStaged };

/// Collective. Runs a pipeline of steps over `stored` in which every row carries its entity and its version (the last
/// step that changed it), and expects, on each rank, that every part reads the version that the staleness promises and
/// that every gradient arrives at its owner, in the order of requesting parts.
void check_rows_exchange(comm::Communicator& comm, const StoredGraph& stored, bool stale, RowsWay way);

}  // namespace tessera::test
