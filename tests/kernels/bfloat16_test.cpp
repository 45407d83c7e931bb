// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Stochastic rounding to bfloat16, and the bits that it goes by.
#include "kernels/bfloat16.hpp"
#include "core/random.hpp"
#include "kernels/rounding.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace tessera::kernels {
namespace {

constexpr std::uint32_t kDraws = 1U << 16U;

// With every draw once, the mean is the value itself: in units of the last bit, with numbers of every exponent,
// denormal ones included.
TEST(StochasticRounding, HasTheValueAsItsMean) {
  std::mt19937 engine(1);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
    if (!std::isfinite(value) || std::abs(value) > 3e38F) continue;
    const auto below = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16U);
    std::uint64_t ups = 0;
    for (std::uint32_t random = 0; random < kDraws; ++random) {
      const std::uint16_t rounded = round_stochastically(value, random);
      ASSERT_TRUE(rounded == below || rounded == below + 1) << value;
      ups += rounded - below;
    }
    const double low = from_bfloat16(below);
    const double high = from_bfloat16(static_cast<std::uint16_t>(below + 1));
    const double mean = low + (high - low) * static_cast<double>(ups) / kDraws;
    EXPECT_EQ(mean, static_cast<double>(value));
  }
}

TEST(StochasticRounding, KeepsWhatIsABfloat16) {
  for (std::uint32_t number = 0; number < kDraws; ++number) {
    const float value = from_bfloat16(static_cast<std::uint16_t>(number));
    if (std::isnan(value)) continue;
    for (const std::uint32_t random : {0U, 1U, 0x8000U, 0xFFFFU})
      ASSERT_EQ(round_stochastically(value, random), number) << value;
  }
}

TEST(StochasticRounding, OfSpecialNumbers) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::uint32_t random : {0U, 0x8000U, 0xFFFFU}) {
    EXPECT_EQ(round_stochastically(infinity, random), 0x7F80);
    EXPECT_EQ(round_stochastically(-infinity, random), 0xFF80);
    EXPECT_EQ(round_stochastically(0.0F, random), 0);
    EXPECT_EQ(round_stochastically(-0.0F, random), 0x8000);
    for (const std::uint32_t nan : {0x7F800001U, 0x7FFFFFFFU, 0xFF800001U, 0xFFFFFFFFU})
      EXPECT_TRUE(std::isnan(from_bfloat16(round_stochastically(std::bit_cast<float>(nan), random))));
  }
  const float least = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(round_stochastically(least, 0xFFFEU), 0);
  EXPECT_EQ(round_stochastically(least, 0xFFFFU), 1);
  EXPECT_EQ(round_stochastically(-least, 0xFFFFU), 0x8001);
  const float most = std::numeric_limits<float>::max();
  EXPECT_EQ(round_stochastically(most, 0), 0x7F7F);
  EXPECT_EQ(round_stochastically(most, 1), 0x7F80);  // the upper neighbour of the largest number
}

/// Chi square of `counts` against equal chances, in standard deviations.
double excess(const std::vector<std::uint64_t>& counts) {
  double total = 0;
  for (const std::uint64_t count : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(counts.size());
  double chi_square = 0;
  for (const std::uint64_t count : counts) {
    const double off = static_cast<double>(count) - expected;
    chi_square += off * off / expected;
  }
  const double freedom = static_cast<double>(counts.size()) - 1;
  return (chi_square - freedom) / std::sqrt(2 * freedom);
}

/// Bits of elements (row, column) in a step.
std::uint32_t draw(std::uint64_t step, std::uint64_t row, std::size_t column) {
  return Rounding{RandomStream(1, Purpose::kRounding).bits(step), 77}.bits(row, column);
}

TEST(RoundingBits, AreUniform) {
  std::vector<std::uint64_t> high(256);
  std::vector<std::uint64_t> low(256);
  for (std::uint64_t step = 0; step < 16; ++step)
    for (std::uint64_t row = 0; row < 512; ++row)
      for (std::size_t column = 0; column < 128; ++column) {
        const std::uint32_t random = draw(step, row, column);
        ASSERT_LT(random, kDraws);
        ++high[random >> 8U];
        ++low[random & 0xFFU];
      }
  EXPECT_LT(std::abs(excess(high)), 5);
  EXPECT_LT(std::abs(excess(low)), 5);
}

// Pairs of neighbours, in columns, rows, steps and the two halves of a complex number, fall into every field of 16 x 16
// alike.
TEST(RoundingBits, OfNeighboursAreIndependent) {
  struct Neighbour {
    std::uint64_t step, row;
    std::size_t column;
  };
  for (const Neighbour& by : {Neighbour{0, 0, 1}, {0, 1, 0}, {1, 0, 0}, {0, 0, 50}, {0, 32, 0}, {1, 1, 1}}) {
    for (const unsigned shift : {0U, 6U, 12U}) {
      std::vector<std::uint64_t> counts(256);
      for (std::uint64_t step = 0; step < 8; ++step)
        for (std::uint64_t row = 0; row < 512; ++row)
          for (std::size_t column = 0; column < 100; ++column) {
            const std::uint32_t first = draw(step, row, column) >> shift & 0xFU;
            const std::uint32_t second = draw(step + by.step, row + by.row, column + by.column) >> shift & 0xFU;
            ++counts[first * 16 + second];
          }
      EXPECT_LT(std::abs(excess(counts)), 5) << by.step << ", " << by.row << ", " << by.column << ", bit " << shift;
    }
  }
}

}  // namespace
}  // namespace tessera::kernels
