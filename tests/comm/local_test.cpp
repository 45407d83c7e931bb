// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The contracts over the communicators of one process: self, and threads as ranks.

#include "comm/agreement.hpp"
#include "comm/contract.hpp"
#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/error.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace tessera {
namespace {

using comm::Communicator;
using test::Contract;

std::vector<Contract> all_contracts() {
  auto contracts = test::collective_contracts();
  for (const Contract& contract : test::message_contracts()) contracts.push_back(contract);
  return contracts;
}

class SelfContract : public testing::TestWithParam<Contract> {};
TEST_P(SelfContract, Holds) { GetParam().check(*comm::make_self_communicator()); }
INSTANTIATE_TEST_SUITE_P(Comm, SelfContract, testing::ValuesIn(test::collective_contracts()),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(Self, HasNobodyToExchangeMessagesWith) {
  const auto comm = comm::make_self_communicator();
  std::vector<std::byte> bytes(1);
  test::expect_error(ExitStatus::kInternal, {"nobody"}, [&] { (void)comm->send(bytes, 1, Rank(0), 0); });
  test::expect_error(ExitStatus::kInternal, {"nobody"}, [&] { (void)comm->receive(bytes, Rank(0), 0); });
}

class ThreadContract : public testing::TestWithParam<std::tuple<std::int32_t, Contract>> {};
TEST_P(ThreadContract, Holds) {
  const std::int32_t ranks = std::get<0>(GetParam());
  const Contract& contract = std::get<1>(GetParam());
  comm::run_ranks(ranks, [&](Communicator& comm) {
    EXPECT_EQ(comm.size(), ranks);
    contract.check(comm);
  });
}
INSTANTIATE_TEST_SUITE_P(Comm, ThreadContract,
                         testing::Combine(testing::Values(1, 2, 3, 4, 7), testing::ValuesIn(all_contracts())),
                         [](const auto& tested) {
                           return std::get<1>(tested.param).name + std::to_string(std::get<0>(tested.param));
                         });

TEST(Threads, NobodyPassesABarrierBeforeAllAreThere) {
  for (const std::int32_t ranks : {2, 3, 7}) {
    std::atomic<int> arrived{0};
    comm::run_ranks(ranks, [&](Communicator& comm) {
      for (int round = 1; round <= 50; ++round) {
        ++arrived;
        comm.barrier();
        EXPECT_GE(arrived, round * ranks);
        comm.barrier();
      }
    });
    EXPECT_EQ(arrived, 50 * ranks);
  }
}

// Whatever the others wait for, they end when one rank throws, and the cause is what the caller sees.
TEST(Threads, ARankThatThrowsEndsAll) {
  using Wait = void (*)(Communicator&);
  const std::vector<Wait> waits = {
      [](Communicator& comm) { comm.barrier(); },
      [](Communicator& comm) { (void)comm.reduce(1, comm::Reduction::kSum); },
      [](Communicator& comm) { (void)comm.broadcast_string("", Rank(0)); },
      [](Communicator& comm) {
        std::vector<std::byte> buffer(8);
        comm.receive(buffer, Rank(1), 9).wait();
      },
  };
  for (const Wait wait : waits) {
    const auto start = std::chrono::steady_clock::now();
    test::expect_error(ExitStatus::kBadData, {"rank 1 gives up"}, [&] {
      comm::run_ranks(3, [&](Communicator& comm) {
        if (comm.rank() == Rank(1)) fail(ExitStatus::kBadData, "rank 1 gives up");
        wait(comm);
      });
    });
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  }
}

// A rank that still expects a message when it throws must not wait for it: the sender may wait for this rank.
TEST(Threads, ARankThatThrowsDoesNotWaitForItsMessages) {
  const auto start = std::chrono::steady_clock::now();
  test::expect_error(ExitStatus::kBadData, {"rank 0 gives up"}, [] {
    comm::run_ranks(2, [](Communicator& comm) {
      std::vector<std::byte> buffer(8);
      const comm::Request never = comm.receive(buffer, Rank(1 - comm.rank().value()), 1);
      if (comm.is_root()) fail(ExitStatus::kBadData, "rank 0 gives up");
      comm.barrier();
    });
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Threads, OneGroupAfterAnother) {
  for (int i = 0; i < 20; ++i) comm::run_ranks(4, [](Communicator& comm) { comm.barrier(); });
}

}  // namespace
}  // namespace tessera
