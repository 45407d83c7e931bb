// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/contract.hpp"
#include "core/error.hpp"
#include "core/random.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace tessera::test {
namespace {

using comm::Communicator;
using comm::Reduction;
using comm::Request;
using Bytes = std::vector<std::uint8_t>;

// What rank `from` sends to `to` as its message number `number`.
Bytes message(std::int32_t from, std::int32_t to, std::uint64_t number, std::uint64_t size) {
  const RandomStream stream(number, Purpose::kSplit, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to));
  Bytes bytes(size);
  for (std::uint64_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(stream.bits(i / 8) >> (8 * (i % 8)));
  return bytes;
}

std::span<const std::byte> bytes_of(const Bytes& bytes) { return std::as_bytes(std::span(bytes)); }
std::span<std::byte> space_of(Bytes& bytes) { return std::as_writable_bytes(std::span(bytes)); }

// Every rank, itself included, gets a message of every size from its left neighbour.
void ring(Communicator& comm) {
  const std::int32_t me = comm.rank().value();
  const std::int32_t right = (me + 1) % comm.size();
  const std::int32_t left = (me + comm.size() - 1) % comm.size();
  for (const std::uint64_t size : {0, 1, 9, 10, 11, 20, 4096, 70000, 1000000}) {
    const Bytes out = message(me, right, size, size);
    Bytes in(size, 0xEE);
    Request receive = comm.receive(space_of(in), Rank(left), 3);
    Request send = comm.send(bytes_of(out), size, Rank(right), 3);
    EXPECT_EQ(receive.wait(), size);
    EXPECT_EQ(send.wait(), size);
    EXPECT_TRUE(in == message(left, me, size, size)) << size;
  }
}

// The sender may say less than both sides agreed on; the receiver learns how much, and the rest is untouched.
void short_messages(Communicator& comm) {
  const std::int32_t me = comm.rank().value();
  const std::int32_t right = (me + 1) % comm.size();
  const std::int32_t left = (me + comm.size() - 1) % comm.size();
  for (const std::uint64_t capacity : {1, 10, 35, 100, 5000})
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{9}, std::uint64_t{10},
                                     std::uint64_t{25}, capacity / 2, capacity - 1, capacity}) {
      if (size > capacity) continue;
      const Bytes out = message(me, right, size, size);
      Bytes in(capacity, 0xEE);
      Request receive = comm.receive(space_of(in), Rank(left), 4);
      Request send = comm.send(bytes_of(out), capacity, Rank(right), 4);
      EXPECT_EQ(receive.wait(), size) << "capacity " << capacity;
      send.wait();
      Bytes expected = message(left, me, size, size);
      expected.resize(capacity, 0xEE);
      EXPECT_TRUE(in == expected) << size << " of " << capacity;
    }
}

// Messages of all pairs, many each, completed in an order that has nothing to do with how they were posted.
void many_in_flight(Communicator& comm) {
  constexpr std::uint64_t kEach = 40;
  const std::int32_t me = comm.rank().value();
  struct Pending {
    Bytes buffer;
    Bytes expected;
    Request request;
  };
  std::vector<Pending> receives;
  std::vector<Pending> sends;
  const auto size_of = [](std::int32_t from, std::int32_t to, std::uint64_t i) {
    return static_cast<std::uint64_t>(from * 7 + to * 3) + i * i * i % 977;
  };
  receives.reserve(kEach * static_cast<std::size_t>(comm.size()));
  sends.reserve(kEach * static_cast<std::size_t>(comm.size()));
  for (std::uint64_t i = kEach; i-- > 0;)
    for (std::int32_t from = 0; from < comm.size(); ++from) {
      receives.push_back({Bytes(2000), message(from, me, i, size_of(from, me, i)), {}});
      receives.back().request = comm.receive(space_of(receives.back().buffer), Rank(from), static_cast<int>(i));
    }
  for (std::uint64_t i = 0; i < kEach; ++i)
    for (std::int32_t to = 0; to < comm.size(); ++to) {
      sends.push_back({message(me, to, i, size_of(me, to, i)), {}, {}});
      sends.back().request = comm.send(bytes_of(sends.back().buffer), 2000, Rank(to), static_cast<int>(i));
      comm.progress();
    }
  const Permutation order(receives.size(), RandomStream(5, Purpose::kShuffle));
  for (std::uint64_t i = 0; i < receives.size(); ++i) {
    Pending& pending = receives[order(i)];
    const std::uint64_t size = pending.request.wait();
    pending.buffer.resize(size);
    EXPECT_TRUE(pending.buffer == pending.expected);
  }
  for (Pending& pending : sends) pending.request.wait();
}

// Of one pair and tag the messages arrive in order, whatever their sizes; another tag does not disturb them.
void order_is_kept(Communicator& comm) {
  constexpr std::uint64_t kCount = 60;
  const std::int32_t me = comm.rank().value();
  const std::int32_t right = (me + 1) % comm.size();
  const std::int32_t left = (me + comm.size() - 1) % comm.size();
  std::vector<Bytes> out;
  std::vector<Request> sends;
  for (std::uint64_t i = 0; i < kCount; ++i) out.push_back(message(me, right, i, i * 1237 % 3000));
  for (std::uint64_t i = 0; i < kCount; ++i)
    sends.push_back(comm.send(bytes_of(out[i]), 3000, Rank(right), i % 3 == 0 ? 8 : 7));
  for (const int tag : {8, 7})
    for (std::uint64_t i = 0; i < kCount; ++i) {
      if ((i % 3 == 0) != (tag == 8)) continue;
      Bytes in(3000);
      in.resize(comm.receive(space_of(in), Rank(left), tag).wait());
      EXPECT_TRUE(in == message(left, me, i, i * 1237 % 3000)) << i;
    }
  for (Request& send : sends) send.wait();
}

void collectives_between_messages(Communicator& comm) {
  const std::int32_t me = comm.rank().value();
  const std::int32_t right = (me + 1) % comm.size();
  const std::int32_t left = (me + comm.size() - 1) % comm.size();
  const Bytes out = message(me, right, 1, 200000);
  Bytes in(200000);
  Request receive = comm.receive(space_of(in), Rank(left), 1);
  EXPECT_EQ(comm.reduce(1, Reduction::kSum), comm.size());
  Request send = comm.send(bytes_of(out), out.size(), Rank(right), 1);
  comm.barrier();
  std::int32_t value = me;
  comm.broadcast_values(std::span(&value, 1), Rank(comm.size() - 1));
  EXPECT_EQ(value, comm.size() - 1);
  receive.wait();
  send.wait();
  EXPECT_TRUE(in == message(left, me, 1, 200000));
}

void requests_are_owners(Communicator& comm) {
  const std::int32_t me = comm.rank().value();
  const std::int32_t right = (me + 1) % comm.size();
  const std::int32_t left = (me + comm.size() - 1) % comm.size();
  EXPECT_FALSE(Request().active());
  Bytes in(100);
  const Bytes out = message(me, right, 2, 100);
  {
    Request receive = comm.receive(space_of(in), Rank(left), 1);
    EXPECT_TRUE(receive.active());
    Request moved(std::move(receive));
    EXPECT_FALSE(receive.active());  // NOLINT(bugprone-use-after-move): what a moved-from request promises
    EXPECT_TRUE(moved.active());
    Request assigned;
    assigned = std::move(moved);
    EXPECT_TRUE(assigned.active());
    const Request send = comm.send(bytes_of(out), 100, Rank(right), 1);
  }  // destroyed without wait(): both are complete
  EXPECT_TRUE(in == message(left, me, 2, 100));
}

void counts_message_bytes(Communicator& comm) {
  const std::int32_t me = comm.rank().value();
  const std::int32_t right = (me + 1) % comm.size();
  const std::int32_t left = (me + comm.size() - 1) % comm.size();
  const std::uint64_t before = comm.bytes_sent();
  const Bytes out(123);
  Bytes in(1000);
  Request receive = comm.receive(space_of(in), Rank(left), 1);
  Request send = comm.send(bytes_of(out), 1000, Rank(right), 1);
  receive.wait();
  send.wait();
  EXPECT_EQ(comm.bytes_sent() - before, 123U) << "what was sent, not what could have been";
}

void more_than_the_capacity_is_a_defect(Communicator& comm) {
  const Bytes out(11);
  expect_error(ExitStatus::kInternal, {"capacity"}, [&] { (void)comm.send(bytes_of(out), 10, comm.rank(), 1); });
  comm.barrier();
}

}  // namespace

std::vector<Contract> message_contracts() {
  return {{"Ring", ring},
          {"ShortMessages", short_messages},
          {"ManyInFlight", many_in_flight},
          {"OrderIsKept", order_is_kept},
          {"CollectivesBetweenMessages", collectives_between_messages},
          {"RequestsAreOwners", requests_are_owners},
          {"CountsMessageBytes", counts_message_bytes},
          {"MoreThanTheCapacityIsADefect", more_than_the_capacity_is_a_defect}};
}

}  // namespace tessera::test
