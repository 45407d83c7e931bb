// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/placement.hpp"

#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "kernels/backend.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"
#include "train/loop/step_speed.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <string>
#include <vector>

namespace tessera {
namespace {

Job job_with(const std::string& placement, std::uint64_t parts = 8) {
  Job job;
  job.data.parts = parts;
  job.run.placement = placement;
  return job;
}

// What rank r computes with, and how fast it says it is.
struct Machine {
  const char* computes_with;
  double speed;
};

std::string given(const Job& job, const std::vector<Machine>& machines, int* measured = nullptr) {
  std::string list;
  std::atomic<int> count{0};
  comm::run_ranks(static_cast<std::int32_t>(machines.size()), [&](comm::Communicator& comm) {
    const Machine& machine = machines[static_cast<std::size_t>(comm.rank().value())];
    const train::PartsGivenOut shares = train::give_out_parts(comm, job, machine.computes_with, [&] {
      ++count;
      return machine.speed;
    });
    if (comm.is_root()) list = train::placement_list(shares.placement);
    EXPECT_EQ(shares.ranks.size(), machines.size());
    EXPECT_EQ(shares.ranks.back().computes_with, machines.back().computes_with);
    EXPECT_EQ(shares.ranks.front().parts, shares.placement.part_count(Rank(0)));
  });
  if (measured != nullptr) *measured = count;
  return list;
}

TEST(GiveOutParts, AutoMeasuresOnlyWhereRanksDiffer) {
  int measured = 0;
  EXPECT_EQ(given(job_with("auto"), {{"GPU", 6}, {"cpu, 4 threads", 2}}, &measured), "6,2");
  EXPECT_EQ(measured, 2);
  EXPECT_EQ(given(job_with("auto"), {{"GPU", 6}, {"GPU", 2}}, &measured), "4,4");
  EXPECT_EQ(measured, 0);
  // The bits are the same anyhow, and the ranks of other programs come and go.
  EXPECT_EQ(given(job_with("auto"), {{"cpu, 4 threads", 6}, {"cpu, 2 threads", 2}}, &measured), "4,4");
  EXPECT_EQ(measured, 0);
}

TEST(GiveOutParts, DoesAsTheJobSays) {
  EXPECT_EQ(given(job_with("equal"), {{"GPU", 6}, {"cpu, 4 threads", 2}}), "4,4");
  EXPECT_EQ(given(job_with("speed"), {{"cpu, 4 threads", 1}, {"cpu, 4 threads", 3}}), "2,6");
  EXPECT_EQ(given(job_with("1,5,2"), {{"GPU", 1}, {"GPU", 1}, {"GPU", 1}}), "1,5,2");
}

TEST(GiveOutParts, RefusesListsThatDoNotFit) {
  const auto refuse = [](const std::string& list, std::initializer_list<std::string_view> says) {
    comm::run_ranks(2, [&](comm::Communicator& comm) {
      test::expect_error(ExitStatus::kUsage, says,
                         [&] { (void)train::give_out_parts(comm, job_with(list), "cpu", {}); });
    });
  };
  refuse("6,3", {"run.placement \"6,3\" is for 9 parts and 2 ranks", "this run has 8 and 2"});
  refuse("8", {"is for 8 parts and 1 rank;"});
  refuse("4294967295,4294967295", {"is for 8589934590 parts"});
  for (const char* bad : {"", "8,0", "7,1,", ",8", "7;1", "7, 1", "-1,9", "99999999999,1", "fast"})
    refuse(bad, {"run.placement", "auto, equal, speed"});
  comm::run_ranks(3, [](comm::Communicator& comm) {
    test::expect_error(ExitStatus::kUsage, {"every rank needs one"},
                       [&] { (void)train::give_out_parts(comm, job_with("equal", 2), "cpu", {}); });
  });
}

TEST(GiveOutParts, IsRecordedLineByLine) {
  const test::TemporaryFolder folder;
  const auto comm = comm::make_self_communicator();
  for (const std::uint64_t epoch : {0, 7})
    train::record_start(folder.path(), epoch,
                        train::give_out_parts(*comm, job_with("speed"), "cpu, 2 threads", [] { return 12.5; }));
  const auto file = folder.path() / "starts.jsonl";
  std::ofstream(file, std::ios::app) << R"({"after_epoch":9,"pla)";  // cut off by a kill
  const std::vector<train::Start> starts = train::read_starts(file);
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_EQ(starts[1].after.epoch, 7U);
  EXPECT_EQ(starts[1].placement, "8");
  ASSERT_EQ(starts[1].ranks.size(), 1U);
  EXPECT_EQ(starts[1].ranks[0].computes_with, "cpu, 2 threads");
  EXPECT_EQ(starts[1].ranks[0].candidates_per_second, 12.5);
  EXPECT_EQ(starts[1].ranks[0].parts, 8U);
  train::record_start(folder.path(), 9, train::give_out_parts(*comm, job_with("equal"), "cpu, 2 threads", {}));
  EXPECT_EQ(train::read_starts(file).back().why, "equal numbers");
  EXPECT_EQ(train::read_starts(file).size(), 3U);
  std::ofstream(file, std::ios::app) << "{}\n";
  test::expect_error(ExitStatus::kBadData, {"starts.jsonl:4: not a line about a start"},
                     [&] { (void)train::read_starts(file); });
  EXPECT_TRUE(train::read_starts(folder.path() / "none.jsonl").empty());
}

// A step of four times the work takes longer; how much is for the machine to say.
TEST(StepSpeed, FallsWithTheWorkOfACandidate) {
  const double small = train::host_step_speed(kernels::cpu_backend(), 1, {64, 64});
  const double large = train::host_step_speed(kernels::cpu_backend(), 1, {256, 256});
  EXPECT_GT(small, 2 * large);
  EXPECT_GT(large, 0);
}

}  // namespace
}  // namespace tessera
