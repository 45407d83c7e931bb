// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Versions of rows and the order of gradients, with ranks as threads.

#include "comm/thread/thread_communicator.hpp"
#include "exchange/rows_exchange_check.hpp"

#include <gtest/gtest.h>

namespace tessera {
namespace {

class RowsExchange : public testing::TestWithParam<bool> {};

TEST_P(RowsExchange, EveryPartReadsThePromisedVersion) {
  for (const std::uint32_t parts : {1U, 3U, 8U}) {
    const test::StoredGraph stored(test::random_graph({}), parts);
    for (const std::int32_t ranks : {1, 2, 3, 5, 8})
      if (static_cast<std::uint32_t>(ranks) <= parts)
        comm::run_ranks(ranks, [&](comm::Communicator& comm) { test::check_rows_exchange(comm, stored, GetParam()); });
  }
}
INSTANTIATE_TEST_SUITE_P(Staleness, RowsExchange, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "One" : "Zero"; });

}  // namespace
}  // namespace tessera
