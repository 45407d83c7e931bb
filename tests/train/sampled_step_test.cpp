// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What the benchmark of a device measures with sampled negatives, in a small form on the host.
#include "sampled_step.hpp"

#include "train/engine_runs.hpp"
#include "train/loop/job_rules.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera::bench {
namespace {

constexpr SampledShape kSmall{.entities = 5000, .relations = 20, .dim = 12, .batch = 200, .negatives = 50, .steps = 4};
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

TEST(SampledStep, TrainsTheGraphThatIsDrawn) {
  memory::Pool pool(64 * kMiB);
  train::check_fit(sampled_job(kSmall, "cuda"));
  const SampledResult result =
      measure_sampled(kSmall, sampled_job(kSmall, "cuda"), pool, nullptr, [&](const train::EngineSetup& setup) {
        return test::make_host_engine(setup, test::EngineKind::kWhole, {pool, kernels::cpu_backend()});
      });
  EXPECT_NEAR(result.loss, std::log(5000), 0.5);  // of rows that know nothing yet
  EXPECT_GT(result.seconds, 0);
  EXPECT_GT(result.distinct_rows, 150);  // a few rows are in many queries
  EXPECT_LT(result.distinct_rows, 430);
  const double rows_read = (3 * 200 + 50) * 24.0;
  const double scores = 2 * 200 * 50 * 4;
  const double gradients = 2 * 450 * 12 * 4;
  EXPECT_EQ(touched_bytes(kSmall, 100), rows_read + scores + gradients + 100 * 56);
}

TEST(SampledStep, TakesAsManyEntitiesAsFit) {
  const SampledShape shape;
  EXPECT_EQ(entities_that_fit(shape, 70 * kGiB, 110 * kGiB), shape.entities);
  const std::uint64_t on_small_device = entities_that_fit(shape, 14 * kGiB, 110 * kGiB);
  EXPECT_GT(on_small_device, 50'000'000U);
  EXPECT_LT(on_small_device * 204, 14 * kGiB);
  const std::uint64_t on_small_host = entities_that_fit(shape, 70 * kGiB, 16 * kGiB);
  EXPECT_GT(on_small_host, 70'000'000U);
  EXPECT_LT(on_small_host * 204, 16 * kGiB);
  EXPECT_EQ(entities_that_fit(shape, kMiB, 16 * kGiB), 0U);
}

}  // namespace
}  // namespace tessera::bench
