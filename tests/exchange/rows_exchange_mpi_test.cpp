// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The same over MPI.

#include "exchange/rows_exchange_check.hpp"
#include "support/mpi_main.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace tessera {
namespace {

TEST(RowsExchangeOverMpi, EveryPartReadsThePromisedVersion) {
  const auto comm = test::mpi_session().world(std::chrono::seconds(60));
  const test::StoredGraph stored(test::random_graph({}), 8);
  for (const bool stale : {false, true})
    for (const test::RowsWay way : {test::RowsWay::kEarly, test::RowsWay::kOrdered})
      test::check_rows_exchange(*comm, stored, stale, way);
}

}  // namespace
}  // namespace tessera
