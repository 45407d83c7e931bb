// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The contracts over MPI: as it is, with transfers split into pieces of ten bytes, and on a part of the ranks.

#include "comm/agreement.hpp"
#include "comm/contract.hpp"
#include "comm/mpi/detail/mpi_communicator.hpp"
#include "core/error.hpp"
#include "support/expect_error.hpp"
#include "support/mpi_main.hpp"

#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace tessera {
namespace {

using comm::Communicator;
using std::chrono::seconds;
using test::Contract;

std::vector<Contract> all_contracts() {
  auto contracts = test::collective_contracts();
  for (const Contract& contract : test::message_contracts()) contracts.push_back(contract);
  return contracts;
}
std::string name_of(const testing::TestParamInfo<Contract>& tested) { return tested.param.name; }

class MpiContract : public testing::TestWithParam<Contract> {};
TEST_P(MpiContract, Holds) { GetParam().check(*test::mpi_session().world(seconds(60))); }
INSTANTIATE_TEST_SUITE_P(Comm, MpiContract, testing::ValuesIn(all_contracts()), name_of);

class SplitContract : public testing::TestWithParam<Contract> {};
TEST_P(SplitContract, Holds) {
  GetParam().check(*comm::detail::make_mpi_communicator(MPI_COMM_WORLD, seconds(60), 4099));
}
INSTANTIATE_TEST_SUITE_P(Comm, SplitContract, testing::ValuesIn(all_contracts()), name_of);

// Small enough that even short messages are many pieces, and long ones are left out.
TEST(Split, PiecesOfTenBytes) {
  const auto comm = comm::detail::make_mpi_communicator(MPI_COMM_WORLD, seconds(60), 10);
  for (const Contract& contract : all_contracts()) {
    const std::string name = contract.name;
    if (name == "ShortMessages" || name == "OrderIsKept" || name == "BroadcastsStrings" || name == "CountsBytes" ||
        name == "AgreesOnAnyException" || name == "ManyCollectives")
      contract.check(*comm);
  }
}

class SubsetContract : public testing::TestWithParam<Contract> {};
// The library works on whatever communicator it is given: here the even ranks and the odd ranks, at the same time.
TEST_P(SubsetContract, Holds) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, -rank, &half);
  {
    const auto comm = comm::detail::make_mpi_communicator(half, seconds(60));
    MPI_Comm_free(&half);  // a duplicate stays
    GetParam().check(*comm);
  }
}
INSTANTIATE_TEST_SUITE_P(Comm, SubsetContract, testing::ValuesIn(all_contracts()), name_of);

TEST(Mpi, CommunicatorsDoNotDisturbEachOther) {
  const auto one = test::mpi_session().world(seconds(60));
  const auto two = test::mpi_session().world(seconds(60));
  const Rank peer((one->rank().value() + 1) % one->size());
  const Rank source((one->rank().value() + one->size() - 1) % one->size());
  const std::uint8_t first = 1;
  const std::uint8_t second = 2;
  std::uint8_t from_one = 0;
  std::uint8_t from_two = 0;
  auto send_one = one->send(std::as_bytes(std::span(&first, 1)), 1, peer, 0);
  auto send_two = two->send(std::as_bytes(std::span(&second, 1)), 1, peer, 0);
  two->receive(std::as_writable_bytes(std::span(&from_two, 1)), source, 0).wait();
  one->receive(std::as_writable_bytes(std::span(&from_one, 1)), source, 0).wait();
  EXPECT_EQ(from_one, 1);
  EXPECT_EQ(from_two, 2);
  send_one.wait();
  send_two.wait();
}

// ---- the watchdog: the last rank sleeps, the others must not wait for it

class Watchdog : public testing::Test {
 protected:
  void SetUp() override {
    if (comm_->size() < 2) GTEST_SKIP() << "skipped: one rank waits for nobody";
  }
  void TearDown() override { calm_->barrier(); }
  [[nodiscard]] Rank sleeper() const { return Rank(comm_->size() - 1); }
  [[nodiscard]] bool sleeps() const { return comm_->rank() == sleeper(); }
  template <class Work>
  static void expect_time_out(std::initializer_list<std::string_view> words, const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    test::expect_error(ExitStatus::kIo, words, work);
    const auto waited = std::chrono::steady_clock::now() - start;
    EXPECT_GE(waited, std::chrono::milliseconds(900));
    EXPECT_LT(waited, seconds(3));
  }
  static constexpr auto kNap = std::chrono::milliseconds(2200);
  std::unique_ptr<Communicator> comm_ = test::mpi_session().world(seconds(1));
  std::unique_ptr<Communicator> calm_ = test::mpi_session().world(seconds(60));
};

TEST_F(Watchdog, AMessageNamesItsSender) {
  std::int64_t value = 0;
  if (sleeps()) {
    std::this_thread::sleep_for(kNap);
    for (std::int32_t to = 0; to + 1 < comm_->size(); ++to)
      comm_->send(std::as_bytes(std::span(&value, 1)), 8, Rank(to), 5).wait();
  } else {
    expect_time_out({"waited 1 s", "a message of rank " + std::to_string(sleeper().value()), "run.watchdog_seconds"},
                    [&] { comm_->receive(std::as_writable_bytes(std::span(&value, 1)), sleeper(), 5).wait(); });
    calm_->barrier();  // the message comes in the end: its memory is still there
    return;
  }
  calm_->barrier();
}

TEST_F(Watchdog, ACollectiveSaysWhichOne) {
  if (sleeps()) {
    std::this_thread::sleep_for(kNap);
    comm_->barrier();
  } else {
    expect_time_out({"waited 1 s", "a barrier"}, [&] { comm_->barrier(); });
  }
}

TEST_F(Watchdog, ABroadcastNamesItsRoot) {
  std::int64_t value = 0;
  if (sleeps()) std::this_thread::sleep_for(kNap);
  const auto broadcast = [&] { comm_->broadcast_values(std::span(&value, 1), sleeper()); };
  if (sleeps())
    broadcast();
  else
    expect_time_out({"waited 1 s", "a broadcast of rank " + std::to_string(sleeper().value())}, broadcast);
  calm_->barrier();
}

TEST_F(Watchdog, PatienceCanBeRaised) {
  comm_->set_watchdog(seconds(60));
  if (sleeps()) std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  EXPECT_EQ(comm_->reduce(1, comm::Reduction::kSum), comm_->size());
}

}  // namespace
}  // namespace tessera
