// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What run.products means on a CPU. Without its newest instruction set, this CPU is one that cannot multiply in bf16.

#include "execution/device_choice.hpp"
#include "kernels/cpu/targets.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

namespace tessera::execution {
namespace {

TEST(HostKernels, AreInFp32UnlessTheJobAsksForBf16) {
  for (const char* products : {"auto", "chain", "fp32", "tf32"})
    EXPECT_EQ(&find_host_kernels(products), &kernels::cpu_backend()) << products;
}

TEST(HostKernels, InBf16AreForCpusThatHaveThem) {
  if (!kernels::cpu::has_bfloat16_products()) GTEST_SKIP() << "this processor does not multiply in bfloat16";
  EXPECT_EQ(&find_host_kernels("bf16"), &kernels::cpu_bfloat16_backend());
}

TEST(HostKernels, InBf16AreRefusedOnOtherCpus) {
  for (const std::int64_t target : kernels::cpu::available_targets()) {
    kernels::cpu::use_target(target);
    if (!kernels::cpu::has_bfloat16_products())
      test::expect_error(ExitStatus::kUsage,
                         {"run.products 'bf16'", "AVX512_BF16", kernels::cpu::target_name(), "run.products=auto"},
                         [] { (void)find_host_kernels("bf16"); });
    kernels::cpu::use_target(0);
  }
}

TEST(DeviceProducts, AreInBf16UnlessTheJobSaysOtherwise) {
  EXPECT_EQ(find_products("auto"), kernels::Products::kBfloat16);
  EXPECT_EQ(find_products("chain"), kernels::Products::kChain);
  test::expect_error(ExitStatus::kUsage, {"run.products 'fp8'", "auto"}, [] { (void)find_products("fp8"); });
}

}  // namespace
}  // namespace tessera::execution
