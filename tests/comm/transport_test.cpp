// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Memory of the host from rank to rank, as NCCL moves that of devices.
#include "comm/transport.hpp"

#include "comm/thread/thread_communicator.hpp"
#include "core/error.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

namespace tessera::comm {
namespace {

using Transport = HostTransport;

std::uint32_t word(Rank from, Rank to, std::uint32_t message) {
  return static_cast<std::uint32_t>(from.value()) * 100 + static_cast<std::uint32_t>(to.value()) * 10 + message;
}

struct Messages {
  explicit Messages(Communicator& comm) {
    const auto ranks = static_cast<std::size_t>(comm.size());
    out.resize(ranks);
    in.resize(ranks);
    for (std::size_t r = 0; r < ranks; ++r) {
      const Rank peer(static_cast<std::int32_t>(r));
      if (peer == comm.rank()) continue;
      out[r] = {word(comm.rank(), peer, 0), word(comm.rank(), peer, 1), word(comm.rank(), peer, 2)};
      sends.push_back({std::as_bytes(std::span(out[r]).first(1)), peer});
      sends.push_back({std::as_bytes(std::span(out[r]).last(2)), peer});
      receives.push_back({std::as_writable_bytes(std::span(in[r]).first(1)), peer});
      receives.push_back({std::as_writable_bytes(std::span(in[r]).last(2)), peer});
    }
  }
  std::vector<std::array<std::uint32_t, 3>> out;  // by rank
  std::vector<std::array<std::uint32_t, 3>> in;
  std::vector<Transport::Send> sends;
  std::vector<Transport::Receive> receives;
};

TEST(HostTransport, BringsWhatWasSentInOrder) {
  run_ranks(4, [](Communicator& comm) {
    Transport transport(comm);
    for (int round = 0; round < 3; ++round) {
      Messages messages(comm);
      transport.exchange(messages.sends, messages.receives);
      for (std::int32_t r = 0; r < comm.size(); ++r) {
        if (Rank(r) == comm.rank()) continue;
        for (std::uint32_t k = 0; k < 3; ++k)
          EXPECT_EQ(messages.in[static_cast<std::size_t>(r)][k], word(Rank(r), comm.rank(), k));
      }
    }
    transport.exchange({}, {});
  });
}

// The others end, with transfers under way that nobody answers.
TEST(HostTransport, EndsWhenARankIsGone) {
  test::expect_error(ExitStatus::kInternal, {"gone"}, [] {
    run_ranks(3, [](Communicator& comm) {
      Transport transport(comm);
      if (comm.rank() == Rank(1)) fail(ExitStatus::kInternal, "gone");
      Messages messages(comm);
      transport.exchange(messages.sends, messages.receives);
    });
  });
}

}  // namespace
}  // namespace tessera::comm
