// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// A program of several ranks that goes wrong in the way its argument says; the watchdog is an hour away.

#include "comm/agreement.hpp"
#include "comm/mpi/mpi_session.hpp"
#include "core/error.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

namespace tessera {
namespace {

void go_wrong(const std::string& how, comm::Communicator& comm) {
  const bool last = comm.rank() == Rank(comm.size() - 1);
  std::vector<std::byte> buffer(std::size_t{1} << 20U);
  std::vector<comm::Request> pending;
  if (how == "throw-with-messages-in-flight" || how == "agree-with-messages-in-flight") {
    for (std::int32_t peer = 0; peer < comm.size(); ++peer) {
      if (Rank(peer) == comm.rank()) continue;
      pending.push_back(comm.receive(buffer, Rank(peer), 1));              // never sent
      pending.push_back(comm.send(buffer, buffer.size(), Rank(peer), 2));  // never taken
    }
  }
  if (how == "agree-with-messages-in-flight") comm::together(comm, [&] { fail(ExitStatus::kIo, "all give up"); });
  if (last && how == "killed") std::raise(SIGKILL);
  if (last && how == "exits") std::_Exit(3);
  if (last) fail(ExitStatus::kBadData, "the last rank gives up");
  comm.barrier();
}

int run(const std::string& how) {
  const comm::MpiSession session;
  const auto comm = session.world(std::chrono::hours(1));
  try {
    go_wrong(how, *comm);
    return 0;
  } catch (const comm::AgreedError& error) {
    if (comm->is_root()) std::fprintf(stderr, "agreed: %s\n", error.what());
    return static_cast<int>(error.status());
  } catch (const Error& error) {
    std::fprintf(stderr, "alone: rank %d: %s\n", comm->rank().value(), error.what());
    comm::MpiSession::abort(static_cast<int>(error.status()));
  }
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) { return tessera::run(argc > 1 ? argv[1] : ""); }
