// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most: fp32 fused multiply-adds in registers, and copying memory, on all cores that the
// process may use. Prints one JSON object. Figures of other benchmarks are read against it.

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr int kChains = 24;
constexpr long kRounds = 400000;

// Independent chains of fused multiply-adds, enough to fill the pipelines; `Vector` has `kLanes` floats.
template <class Vector, int kLanes>
[[gnu::always_inline]] inline float chains(float factor) {
  Vector sums[kChains];
  Vector scale;
  Vector add;
  for (int lane = 0; lane < kLanes; ++lane) {
    scale[lane] = factor;
    add[lane] = 1e-9F;
  }
  for (auto& sum : sums) sum = add;
  for (long round = 0; round < kRounds; ++round)
    for (auto& sum : sums) sum = sum * scale + add;  // contracted: this file is compiled with -ffp-contract=fast
  float total = 0;
  for (const auto& sum : sums) total += sum[0];
  return total;
}

using Vector4 [[gnu::vector_size(16)]] = float;
#if defined(__x86_64__)
using Vector8 [[gnu::vector_size(32)]] = float;
using Vector16 [[gnu::vector_size(64)]] = float;
[[gnu::target("avx512f,fma")]] float run_avx512(float factor) { return chains<Vector16, 16>(factor); }
[[gnu::target("avx2,fma")]] float run_avx2(float factor) { return chains<Vector8, 8>(factor); }
#endif
float run_generic(float factor) { return chains<Vector4, 4>(factor); }

struct Kernel {
  float (*run)(float);
  int lanes;
  const char* name;
};

Kernel best_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {run_avx512, 16, "avx512"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {run_avx2, 8, "avx2"};
#endif
  return {run_generic, 4, "generic"};
}

double fma_gflops(const Kernel& kernel, int threads) {
  double best = 0;
  volatile float sink = 0;
  for (int attempt = 0; attempt < 7; ++attempt) {
    const auto start = Clock::now();
#pragma omp parallel num_threads(threads)
    sink = kernel.run(0.999F);
    best = std::max(best, 2.0 * kernel.lanes * kChains * kRounds * threads / seconds_since(start) / 1e9);
  }
  (void)sink;
  return best;
}

// Reads and writes, counted as two bytes moved per byte copied.
double copy_gbytes(int threads) {
  constexpr std::size_t kBytes = std::size_t{256} << 20U;
  std::vector<char> from(kBytes, 1);
  std::vector<char> to(kBytes, 2);
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto start = Clock::now();
#pragma omp parallel num_threads(threads)
    {
      const std::size_t piece = kBytes / static_cast<std::size_t>(threads);
      const std::size_t first = piece * static_cast<std::size_t>(omp_get_thread_num());
      std::memcpy(to.data() + first, from.data() + first, piece);
    }
    best = std::max(best, 2.0 * kBytes / seconds_since(start) / 1e9);
  }
  return best;
}

}  // namespace

int main() {
  const Kernel kernel = best_kernel();
  const int cores = omp_get_num_procs();
  std::printf(
      "{\"simd\": \"%s\", \"cores\": %d, \"fma_gflops_one_core\": %.1f, \"fma_gflops\": %.1f, "
      "\"copy_gbytes_per_second\": %.1f}\n",
      kernel.name, cores, fma_gflops(kernel, 1), fma_gflops(kernel, cores), copy_gbytes(cores));
}
