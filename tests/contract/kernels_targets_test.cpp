// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_support.hpp"

namespace tessera::kernels::testing {
namespace {

TEST(KernelsTargets, EachAvailableOneCanBeChosen) {
  const std::vector<std::int64_t> targets = cpu::available_targets();
  ASSERT_FALSE(targets.empty());
  for (const std::int64_t target : targets) {
    const TargetScope scope(target);
    EXPECT_EQ(cpu::target_name(), cpu::target_name(target));
  }
  EXPECT_EQ(cpu::target_name(), cpu::target_name(targets.front()));
}

TEST(KernelsTargets, BackendsSayWhoTheyAre) {
  EXPECT_STREQ(reference_backend().name, "reference");
  EXPECT_STREQ(cpu_backend().name, "cpu");
  EXPECT_STREQ(host_grid_backend(GridOrder::kForward).name, "host_grid");
}

}  // namespace
}  // namespace tessera::kernels::testing
