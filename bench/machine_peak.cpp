// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most: fp32 fused multiply-adds in registers on one core and on all that the process may
// use, bf16 dot products on one core, and copying memory. Prints one JSON object; the figures of bench/run.py are read
// against it.

#include "kernels_peak.hpp"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace {

constexpr int kAttempts = 15;
constexpr std::int64_t kRounds = 1'000'000;

// All cores at once, the best of several windows of a few milliseconds.
double all_cores_gflops(int cores) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    double operations = 0;
    const auto start = Clock::now();
#pragma omp parallel num_threads(cores) reduction(+ : operations)
    operations += tessera::bench::run_multiply_adds(kRounds);
    best = std::max(best, operations / std::chrono::duration<double>(Clock::now() - start).count() / 1e9);
  }
  return best;
}

}  // namespace

int main() {
  const int cores = omp_get_num_procs();
  std::printf(
      "{\"cores\": %d, \"fma_gflops_one_core\": %.1f, \"fma_gflops\": %.1f, \"bf16_gflops_one_core\": %.1f, "
      "\"copy_gbytes_one_core\": %.1f}\n",
      cores, tessera::bench::measure_peak_gflops(2000), all_cores_gflops(cores),
      tessera::bench::measure_bf16_gflops(2000), tessera::bench::measure_copy_gbytes());
}
