// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels_peak.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels_peak.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::bench {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kChains = 12;  // two units of latency four want eight; AVX2 has sixteen registers

double multiply_adds(std::int64_t rounds, float* sink) {
  const hn::CappedTag<float, 16> d;
  hn::Vec<decltype(d)> sums[kChains];
  for (auto& sum : sums) sum = hn::Set(d, 1.0F);
  const auto factor = hn::Set(d, *sink);
  const auto addend = hn::Set(d, 0.001F);
  for (std::int64_t round = 0; round < rounds; ++round) {
    HWY_UNROLL(12)
    for (int chain = 0; chain < kChains; ++chain) sums[chain] = hn::MulAdd(sums[chain], factor, addend);
  }
  for (int chain = 1; chain < kChains; ++chain) sums[0] = hn::Add(sums[0], sums[chain]);
  *sink = hn::GetLane(hn::SumOfLanes(d, sums[0]));
  return 2.0 * static_cast<double>(kChains * hn::Lanes(d)) * static_cast<double>(rounds);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::bench {

HWY_EXPORT(multiply_adds);

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

double run_multiply_adds(std::int64_t rounds) {
  volatile float keep = 0.999F;
  float value = keep;
  const double operations = HWY_DYNAMIC_DISPATCH(multiply_adds)(rounds, &value);
  keep = value;
  return operations;
}

double measure_peak_gflops(int windows) {
  double best = 0;
  for (int window = 0; window < windows; ++window) {
    const auto start = Clock::now();
    const double operations = run_multiply_adds(20'000);
    best = std::max(best, operations / seconds_since(start) / 1e9);
  }
  return best;
}

#if defined(__x86_64__) && defined(__GNUC__)
namespace {

// Highway 1.0 does not use VDPBF16PS, and compilers spill where intrinsics would keep twelve chains.
__attribute__((target("avx512f,avx512bf16"))) void bf16_dot_products(std::int64_t rounds) {
  asm volatile(
      "vpxorq %%zmm12, %%zmm12, %%zmm12\n\t"
      "1:\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm0\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm1\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm2\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm3\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm4\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm5\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm6\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm7\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm8\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm9\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm10\n\t"
      "vdpbf16ps %%zmm12, %%zmm12, %%zmm11\n\t"
      "dec %0\n\t"
      "jnz 1b"
      : "+r"(rounds)
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
        "cc");
}

}  // namespace

double measure_bf16_gflops(int windows) {
  if (!__builtin_cpu_supports("avx512bf16")) return 0;
  constexpr std::int64_t kRounds = 20'000;
  constexpr double kOperations = 12 * 64;
  double best = 0;
  for (int window = 0; window < windows; ++window) {
    const auto start = Clock::now();
    bf16_dot_products(kRounds);
    best = std::max(best, kOperations * kRounds / seconds_since(start) / 1e9);
  }
  return best;
}
#else
double measure_bf16_gflops(int) { return 0; }
#endif

double measure_copy_gbytes() {
  constexpr std::size_t kBytes = std::size_t{256} << 20U;
  constexpr std::size_t kWindow = std::size_t{4} << 20U;
  const std::vector<char> from(kBytes, 1);
  std::vector<char> to(kBytes, 2);
  double best = 0;
  for (int attempt = 0; attempt < 8; ++attempt)
    for (std::size_t first = 0; first < kBytes; first += kWindow) {
      const auto start = Clock::now();
      std::memcpy(to.data() + first, from.data() + first, kWindow);
      best = std::max(best, 2.0 * kWindow / seconds_since(start) / 1e9);
    }
  return best;
}

}  // namespace tessera::bench
#endif  // HWY_ONCE
