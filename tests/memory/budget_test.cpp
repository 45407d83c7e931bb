// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/budget.hpp"

#include "core/error.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace tessera {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

/// Without the limits of a batch system that may run the tests.
class Budget : public testing::Test {
 protected:
  Budget() {
    for (const char* name : {"SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"}) unsetenv(name);
  }
  ~Budget() override {
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

}  // namespace
}  // namespace tessera
