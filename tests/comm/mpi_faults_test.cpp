// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Calls of MPI that fail: this program puts itself before the library, and each failure must be an error.

#include "comm/mpi/mpi_session.hpp"
#include "core/error.hpp"
#include "support/expect_error.hpp"
#include "support/mpi_main.hpp"

#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <span>
#include <string>

namespace {

std::string failing;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): C functions have no state

// NOLINTBEGIN(readability-identifier-naming, bugprone-macro-parentheses)
#define TESSERA_FAILING(name, parameters, ...) \
  extern "C" int name parameters { return failing == #name ? MPI_ERR_OTHER : P##name(__VA_ARGS__); }
// NOLINTEND(readability-identifier-naming, bugprone-macro-parentheses)

}  // namespace

TESSERA_FAILING(MPI_Comm_dup, (MPI_Comm comm, MPI_Comm* out), comm, out)
TESSERA_FAILING(MPI_Comm_set_errhandler, (MPI_Comm comm, MPI_Errhandler handler), comm, handler)
TESSERA_FAILING(MPI_Comm_rank, (MPI_Comm comm, int* rank), comm, rank)
TESSERA_FAILING(MPI_Comm_size, (MPI_Comm comm, int* size), comm, size)
TESSERA_FAILING(MPI_Comm_split_type, (MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm* out), comm, type, key,
                info, out)
TESSERA_FAILING(MPI_Comm_free, (MPI_Comm * comm), comm)
TESSERA_FAILING(MPI_Iprobe, (int from, int tag, MPI_Comm comm, int* flag, MPI_Status* status), from, tag, comm, flag,
                status)
TESSERA_FAILING(MPI_Get_count, (const MPI_Status* status, MPI_Datatype type, int* count), status, type, count)
TESSERA_FAILING(MPI_Testall, (int count, MPI_Request requests[], int* flag, MPI_Status statuses[]), count, requests,
                flag, statuses)
TESSERA_FAILING(MPI_Ibarrier, (MPI_Comm comm, MPI_Request* request), comm, request)

namespace tessera {
namespace {

// Everything that uses the calls above: a communicator, its progress, a barrier and a message to itself.
void use_all() {
  const auto comm = test::mpi_session().world(std::chrono::seconds(60));
  comm->progress();
  comm->barrier();
  const int sent = 5;
  int taken = 0;
  auto sending = comm->send(std::as_bytes(std::span(&sent, 1)), sizeof sent, comm->rank(), 0);
  EXPECT_EQ(comm->receive(std::as_writable_bytes(std::span(&taken, 1)), comm->rank(), 0).wait(), sizeof taken);
  EXPECT_EQ(sending.wait(), sizeof sent);
  EXPECT_EQ(taken, sent);
}

class MpiFault : public testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { failing.clear(); }
};

TEST_P(MpiFault, IsAnError) {
  use_all();
  failing = GetParam();
  test::expect_error(ExitStatus::kInternal, {std::string(GetParam()) + "(", " failed: "}, use_all);
}
INSTANTIATE_TEST_SUITE_P(Comm, MpiFault,
                         testing::Values("MPI_Comm_dup", "MPI_Comm_set_errhandler", "MPI_Comm_rank", "MPI_Comm_size",
                                         "MPI_Comm_split_type", "MPI_Comm_free", "MPI_Iprobe", "MPI_Get_count",
                                         "MPI_Testall", "MPI_Ibarrier"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace tessera
