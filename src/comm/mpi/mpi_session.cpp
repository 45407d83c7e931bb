// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/mpi_session.hpp"

#include "comm/mpi/detail/mpi_communicator.hpp"
#include "comm/mpi/detail/mpi_try.hpp"
#include "core/error.hpp"

#include <mpi.h>

#include <cstdlib>

namespace tessera::comm {

MpiSession::MpiSession() {
  int provided = MPI_THREAD_SINGLE;
  TESSERA_MPI_TRY(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
  if (provided < MPI_THREAD_FUNNELED)
    fail(ExitStatus::kInternal, "the MPI library grants no thread support (MPI_THREAD_FUNNELED is needed)");
}

MpiSession::~MpiSession() { (void)MPI_Finalize(); }

std::unique_ptr<Communicator> MpiSession::world(std::chrono::seconds watchdog) const {
  return detail::make_mpi_communicator(MPI_COMM_WORLD, watchdog);
}

void MpiSession::abort(int exit_status) {
  (void)MPI_Abort(MPI_COMM_WORLD, exit_status);
  std::_Exit(exit_status);
}

bool MpiSession::started_by_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (std::getenv(name) != nullptr) return true;  // NOLINT(concurrency-mt-unsafe): read once at start
  return false;
}

}  // namespace tessera::comm
