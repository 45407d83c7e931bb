// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/agreement.hpp"
#include "comm/contract.hpp"
#include "core/error.hpp"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <new>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera::test {
namespace {

using comm::AgreedError;
using comm::Communicator;
using comm::Reduction;

std::vector<std::uint8_t> pattern(std::int32_t rank, std::uint64_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (std::uint64_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(31 * (rank + 1) + 7 * i + i / 251);
  return bytes;
}

void knows_itself(Communicator& comm) {
  EXPECT_GE(comm.rank().value(), 0);
  EXPECT_LT(comm.rank().value(), comm.size());
  EXPECT_GE(comm.ranks_on_host(), 1);
  EXPECT_LE(comm.ranks_on_host(), comm.size());
  EXPECT_GE(comm.rank_on_host(), 0);
  EXPECT_LT(comm.rank_on_host(), comm.ranks_on_host());
  const std::int64_t n = comm.size();
  EXPECT_EQ(comm.reduce(comm.rank().value(), Reduction::kSum), n * (n - 1) / 2);
  EXPECT_EQ(comm.reduce(1, Reduction::kSum), n);
}

void barriers(Communicator& comm) {
  for (int i = 0; i < 20; ++i) comm.barrier();
}

void broadcasts(Communicator& comm) {
  for (std::int32_t root = 0; root < comm.size(); ++root)
    for (const std::uint64_t size : {0, 1, 7, 64, 1000, 100003}) {
      const auto expected = pattern(root, size);
      auto data = comm.rank() == Rank(root) ? expected : std::vector<std::uint8_t>(size, 0xEE);
      comm.broadcast_values(std::span(data), Rank(root));
      EXPECT_TRUE(data == expected) << size << " bytes of rank " << root;
    }
}

void broadcasts_strings(Communicator& comm) {
  for (std::int32_t root = 0; root < comm.size(); ++root)
    for (const std::string& text :
         {std::string(), std::string("ünïcode"), std::string("nul\0inside", 10), std::string(5000, 'x')}) {
      const std::string mine = comm.rank() == Rank(root) ? text : "something of my own";
      EXPECT_EQ(comm.broadcast_string(mine, Rank(root)), text);
    }
}

void gather(Communicator& comm, const std::vector<std::uint64_t>& counts) {
  const auto in = pattern(comm.rank().value(), counts[static_cast<std::size_t>(comm.rank().value())]);
  std::vector<std::uint8_t> expected;
  for (std::int32_t r = 0; r < comm.size(); ++r) {
    const auto theirs = pattern(r, counts[static_cast<std::size_t>(r)]);
    expected.insert(expected.end(), theirs.begin(), theirs.end());
  }
  std::vector<std::uint8_t> out(expected.size(), 0xEE);
  comm.all_gather(std::as_bytes(std::span(in)), std::as_writable_bytes(std::span(out)), counts);
  EXPECT_TRUE(out == expected) << fmt::format("counts {}", fmt::join(counts, ", "));
}

void all_gathers(Communicator& comm) {
  const auto ranks = static_cast<std::size_t>(comm.size());
  gather(comm, std::vector<std::uint64_t>(ranks, 0));
  gather(comm, std::vector<std::uint64_t>(ranks, 8));
  for (std::size_t only = 0; only < ranks; ++only) {
    std::vector<std::uint64_t> counts(ranks, 0);
    counts[only] = 1000;
    gather(comm, counts);
  }
  for (const std::uint64_t scale : {1, 37, 20011}) {
    std::vector<std::uint64_t> counts(ranks);
    for (std::size_t r = 0; r < ranks; ++r) counts[r] = r * scale % 60000 + r;
    gather(comm, counts);
    std::reverse(counts.begin(), counts.end());
    gather(comm, counts);
  }
}

void all_reduces(Communicator& comm) {
  const std::int64_t n = comm.size();
  const std::int64_t r = comm.rank().value();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  for (const std::size_t size : {0, 1, 3, 1000}) {
    std::vector<std::int64_t> sum(size);
    std::vector<std::int64_t> least(size);
    std::vector<std::int64_t> most(size);
    for (std::size_t i = 0; i < size; ++i)
      sum[i] = least[i] = most[i] = (r + 1) * static_cast<std::int64_t>(i) * (i % 2 == 0 ? 1 : -1);
    comm.all_reduce(sum, Reduction::kSum);
    comm.all_reduce(least, Reduction::kMin);
    comm.all_reduce(most, Reduction::kMax);
    for (std::size_t i = 0; i < size; ++i) {
      const std::int64_t one = static_cast<std::int64_t>(i) * (i % 2 == 0 ? 1 : -1);
      EXPECT_EQ(sum[i], one * n * (n + 1) / 2);
      EXPECT_EQ(least[i], std::min(one, n * one));
      EXPECT_EQ(most[i], std::max(one, n * one));
    }
  }
  EXPECT_EQ(comm.reduce(r == 0 ? kMost : 0, Reduction::kMax), kMost);
  EXPECT_EQ(comm.reduce(r == n - 1 ? kLeast : 0, Reduction::kMin), kLeast);
  EXPECT_EQ(comm.reduce(r == 0 ? kLeast : 1, Reduction::kSum), kLeast + n - 1) << "64 bits, no rounding";
}

// Different collectives one after another do not mix.
void many_collectives(Communicator& comm) {
  for (std::int64_t i = 0; i < 200; ++i) {
    const Rank root(static_cast<std::int32_t>(i % comm.size()));
    std::int64_t value = comm.rank() == root ? i : -1;
    comm.broadcast_values(std::span(&value, 1), root);
    EXPECT_EQ(value, i);
    EXPECT_EQ(comm.reduce(i + comm.rank().value(), Reduction::kMax), i + comm.size() - 1);
    gather(comm, std::vector<std::uint64_t>(static_cast<std::size_t>(comm.size()), static_cast<std::uint64_t>(i % 5)));
  }
}

// Bytes that went to other ranks: a single rank sends none.
void counts_bytes(Communicator& comm) {
  const auto others = static_cast<std::uint64_t>(comm.size() - 1);
  const auto sent_by = [&](const auto& work) {
    const std::uint64_t before = comm.bytes_sent();
    work();
    return comm.bytes_sent() - before;
  };
  std::vector<std::uint8_t> data(1000);
  for (std::int32_t root = 0; root < comm.size(); ++root)
    EXPECT_EQ(sent_by([&] { comm.broadcast_values(std::span(data), Rank(root)); }),
              comm.rank() == Rank(root) ? 1000 * others : 0);
  const auto ranks = static_cast<std::size_t>(comm.size());
  const std::vector<std::uint64_t> counts(ranks, 100);
  std::vector<std::uint8_t> out(100 * ranks);
  EXPECT_EQ(sent_by([&] {
              comm.all_gather(std::as_bytes(std::span(data).first(100)), std::as_writable_bytes(std::span(out)),
                              counts);
            }),
            100 * others);
  std::vector<std::int64_t> values(10);
  EXPECT_EQ(sent_by([&] { comm.all_reduce(values, Reduction::kSum); }), others == 0 ? 0U : 80U);
  EXPECT_EQ(sent_by([&] { comm.barrier(); }), 0U);
}

// ---- agreement

void expect_agreed(Communicator& comm, ExitStatus status, const std::string& message,
                   const std::function<void()>& work) {
  try {
    work();
    ADD_FAILURE() << "rank " << comm.rank().value() << " threw nothing";
  } catch (const AgreedError& error) {
    EXPECT_EQ(static_cast<int>(error.status()), static_cast<int>(status));
    EXPECT_EQ(error.what(), message);
  }
}

std::string spoken(std::int32_t rank, const std::string& message) {
  return rank == 0 ? message : fmt::format("rank {}: {}", rank, message);
}

void agrees_when_all_is_well(Communicator& comm) {
  comm::agree(comm, std::nullopt);
  int calls = 0;
  comm::together(comm, [&] { ++calls; });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(comm::together(comm, [&] { return std::string("value"); }), "value");
  comm::on_root(comm, [&] { ++calls; });
  EXPECT_EQ(calls, comm.is_root() ? 2 : 1);
}

void agrees_when_one_rank_fails(Communicator& comm) {
  for (std::int32_t bad = 0; bad < comm.size(); ++bad) {
    expect_agreed(comm, ExitStatus::kMissingInput, spoken(bad, "no such file"), [&] {
      comm::together(comm, [&] {
        if (comm.rank() == Rank(bad)) fail(ExitStatus::kMissingInput, "no such file");
      });
    });
    expect_agreed(comm, ExitStatus::kIo, spoken(bad, "with a value"), [&] {
      (void)comm::together(comm, [&]() -> int {
        if (comm.rank() == Rank(bad)) fail(ExitStatus::kIo, "with a value");
        return 3;
      });
    });
    comm.barrier();  // and everything works afterwards
  }
}

void agrees_when_all_ranks_fail(Communicator& comm) {
  expect_agreed(comm, ExitStatus::kBadData, "0 failed", [&] {
    comm::together(
        comm, [&] { fail(comm.is_root() ? ExitStatus::kBadData : ExitStatus::kIo, "{} failed", comm.rank().value()); });
  });
  if (comm.size() < 3) return;
  expect_agreed(comm, ExitStatus::kIo, "rank 1: 1 failed", [&] {
    comm::together(comm, [&] {
      if (!comm.is_root()) fail(ExitStatus::kIo, "{} failed", comm.rank().value());
    });
  });
}

void agrees_on_any_exception(Communicator& comm) {
  const std::int32_t last = comm.size() - 1;
  expect_agreed(comm, ExitStatus::kInternal, spoken(last, "of the library"), [&] {
    comm::together(comm, [&] {
      if (comm.rank() == Rank(last)) throw std::runtime_error("of the library");
    });
  });
  expect_agreed(comm, ExitStatus::kInternal, "on the root",
                [&] { comm::on_root(comm, [] { throw std::invalid_argument("on the root"); }); });
  expect_agreed(comm, ExitStatus::kUsage, spoken(last, std::string(10000, 'm')), [&] {
    std::optional<Error> mine;
    if (comm.rank() == Rank(last)) mine.emplace(ExitStatus::kUsage, std::string(10000, 'm'));
    comm::agree(comm, mine);
  });
}

void agrees_when_memory_runs_out(Communicator& comm) {
  const std::int32_t last = comm.size() - 1;
  try {
    comm::together(comm, [&] {
      if (comm.rank() == Rank(last)) throw std::bad_alloc();
    });
    ADD_FAILURE() << "threw nothing";
  } catch (const AgreedError& error) {
    EXPECT_EQ(static_cast<int>(error.status()), static_cast<int>(ExitStatus::kOverBudget)) << error.what();
    EXPECT_NE(std::string(error.what()).find("out of memory"), std::string::npos) << error.what();
  }
}

// An exception of no known type must not leave the other ranks waiting.
void agrees_on_what_is_no_exception(Communicator& comm) {
  const std::int32_t last = comm.size() - 1;
  expect_agreed(comm, ExitStatus::kInternal, spoken(last, "unknown exception"), [&] {
    comm::together(comm, [&] {
      if (comm.rank() == Rank(last)) throw 5;  // NOLINT(hicpp-exception-baseclass)
    });
  });
}

}  // namespace

std::vector<Contract> collective_contracts() {
  return {{"KnowsItself", knows_itself},
          {"Barriers", barriers},
          {"Broadcasts", broadcasts},
          {"BroadcastsStrings", broadcasts_strings},
          {"AllGathers", all_gathers},
          {"AllReduces", all_reduces},
          {"ManyCollectives", many_collectives},
          {"CountsBytes", counts_bytes},
          {"AgreesWhenAllIsWell", agrees_when_all_is_well},
          {"AgreesWhenOneRankFails", agrees_when_one_rank_fails},
          {"AgreesWhenAllRanksFail", agrees_when_all_ranks_fail},
          {"AgreesOnAnyException", agrees_on_any_exception},
          {"AgreesWhenMemoryRunsOut", agrees_when_memory_runs_out},
          {"AgreesOnWhatIsNoException", agrees_on_what_is_no_exception}};
}

}  // namespace tessera::test
