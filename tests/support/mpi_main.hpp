// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/mpi/mpi_session.hpp"

namespace tessera::test {

/// The session of a test program that tessera_add_test(RANKS ...) made. Every rank runs every test; use EXPECT_ before
/// collectives, as an ASSERT_ that ends a test on one rank leaves the others waiting.
const comm::MpiSession& mpi_session();

}  // namespace tessera::test
