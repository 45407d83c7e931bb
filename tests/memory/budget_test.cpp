// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/budget.hpp"

#include "core/error.hpp"
#include "memory/detail/control_group.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace tessera {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

/// Without the limits of a batch system that may run the tests.
class Budget : public testing::Test {
 protected:
  void SetUp() override { forget_limits(); }
  void TearDown() override { forget_limits(); }

 private:
  static void forget_limits() {
    for (const char* name : {"SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"}) unsetenv(name);
  }
};

TEST_F(Budget, TheJobDecides) {
  const auto budget = memory::find_budget("1.5 GiB", 4);
  EXPECT_EQ(budget.host_bytes, 1536 * kMiB) << "it is per rank already, and nothing is taken off";
  EXPECT_EQ(budget.source, "run.memory");
}

TEST_F(Budget, ABadSizeIsWrongUsage) {
  for (const char* value : {"lots", "-1GiB", "0", "1 parsec"})
    test::expect_error(ExitStatus::kUsage, {"run.memory", value}, [&] { memory::find_budget(value, 1); });
}

TEST_F(Budget, WithoutAJobValueTheMachineDecides) {
  const auto one = memory::find_budget("", 1);
  EXPECT_GT(one.host_bytes, 16 * kMiB);
  EXPECT_FALSE(one.source.empty());
  const auto four = memory::find_budget("", 4);
  const double ratio = static_cast<double>(one.host_bytes) / static_cast<double>(four.host_bytes);
  EXPECT_NEAR(ratio, 4, 1) << "ranks on a host share it";
  EXPECT_EQ(memory::find_budget("", 0).source, one.source);
}

TEST_F(Budget, SlurmMemoryPerNode) {
  setenv("SLURM_MEM_PER_NODE", "100", 1);
  const auto budget = memory::find_budget("", 3);
  EXPECT_EQ(budget.source, "SLURM_MEM_PER_NODE");
  EXPECT_EQ(budget.host_bytes, 100 * kMiB / 10 * 9 / 3);
}

TEST_F(Budget, SlurmMemoryPerCpu) {
  setenv("SLURM_MEM_PER_CPU", "25", 1);
  setenv("SLURM_CPUS_ON_NODE", "4", 1);
  const auto budget = memory::find_budget("", 2);
  EXPECT_EQ(budget.source, "SLURM_MEM_PER_CPU");
  EXPECT_EQ(budget.host_bytes, 100 * kMiB / 10 * 9 / 2);
}

TEST_F(Budget, SlurmValuesThatAreNoLimit) {
  for (const char* value : {"0", "", "all"}) {
    setenv("SLURM_MEM_PER_NODE", value, 1);
    setenv("SLURM_MEM_PER_CPU", value, 1);
    EXPECT_EQ(memory::find_budget("", 1).source.find("SLURM"), std::string::npos) << value;
  }
}

/// A made-up /proc/self/cgroup and /sys/fs/cgroup.
class ControlGroup : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) const {
    const std::filesystem::path file = temporary_.path() / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content << '\n';
  }
  [[nodiscard]] std::optional<std::uint64_t> limit(const std::string& groups) const {
    write("groups", groups);
    return memory::detail::control_group_limit(temporary_.path() / "groups", temporary_.path());
  }

 private:
  test::TemporaryFolder temporary_;
};

TEST_F(ControlGroup, VersionTwoTakesTheSmallestOfAllLevels) {
  write("slurm/job/memory.max", "3000");
  write("slurm/job/step/memory.max", "max");
  write("slurm/memory.max", "5000");
  EXPECT_EQ(limit("0::/slurm/job/step"), 3000U);
  EXPECT_EQ(limit("0::/slurm"), 5000U);
  EXPECT_EQ(limit("0::/"), std::nullopt);
  write("memory.max", "1000");
  EXPECT_EQ(limit("0::/slurm/job/step"), 1000U);
}

TEST_F(ControlGroup, VersionOneLooksAtTheMemoryControllerOnly) {
  write("memory/job/memory.limit_in_bytes", "7000");
  write("cpu/job/memory.limit_in_bytes", "1");
  EXPECT_EQ(limit("5:cpu:/job\n4:memory:/job\n0::/"), 7000U);
  EXPECT_EQ(limit("4:blkio,memory:/job/step"), 7000U);
  EXPECT_EQ(limit("4:cpu:/job"), std::nullopt);
}

TEST_F(ControlGroup, AGroupThatIsNotVisibleFallsBackToTheMount) {
  write("memory.max", "9000");
  EXPECT_EQ(limit("0::/../outside/of/the/container"), 9000U);
}

TEST_F(ControlGroup, NothingToReadIsNoLimit) {
  EXPECT_EQ(memory::detail::control_group_limit("/nowhere", "/nowhere"), std::nullopt);
  EXPECT_EQ(limit(""), std::nullopt);
  EXPECT_EQ(limit("no colons\n:\n1:"), std::nullopt);
}

TEST_F(Budget, PinnedMemoryIsTakenFromTheSameBudget) {
  const memory::Budget whole{1000, 0, "run.memory"};
  const memory::Budget some = with_pinned(whole, 300);
  EXPECT_EQ(some.host_bytes, 700U);
  EXPECT_EQ(some.pinned_bytes, 300U);
  EXPECT_EQ(with_pinned(some, 200).pinned_bytes, 500U);
  test::expect_error(ExitStatus::kOverBudget, {"pinned", "1000 B", "run.memory"},
                     [&] { (void)with_pinned(whole, 1000); });
}

}  // namespace
}  // namespace tessera
