// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Versions of rows and the order of gradients, with ranks as threads.

#include "comm/thread/thread_communicator.hpp"
#include "exchange/rows_exchange_check.hpp"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace tessera {
namespace {

using test::RowsWay;

class RowsExchange : public testing::TestWithParam<std::tuple<bool, RowsWay>> {};

TEST_P(RowsExchange, EveryPartReadsThePromisedVersion) {
  const auto& [stale, way] = GetParam();
  for (const std::uint32_t parts : {1U, 3U, 8U}) {
    const test::StoredGraph stored(test::random_graph({}), parts);
    for (const std::int32_t ranks : {1, 2, 3, 5, 8})
      if (static_cast<std::uint32_t>(ranks) <= parts)
        comm::run_ranks(ranks, [&, is_stale = stale, how = way](comm::Communicator& comm) {
          test::check_rows_exchange(comm, stored, is_stale, how);
        });
  }
}
INSTANTIATE_TEST_SUITE_P(Ways, RowsExchange,
                         testing::Combine(testing::Bool(),
                                          testing::Values(RowsWay::kEarly, RowsWay::kOrdered, RowsWay::kStaged)),
                         [](const auto& tested) {
                           const std::string stale = std::get<0>(tested.param) ? "Stale" : "Fresh";
                           switch (std::get<1>(tested.param)) {
                             case RowsWay::kEarly: return stale + "Early";
                             case RowsWay::kOrdered: return stale + "Ordered";
                             case RowsWay::kStaged: break;
                           }
                           return stale + "Staged";
                         });

}  // namespace
}  // namespace tessera
