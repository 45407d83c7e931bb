// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Rounding to fp16, to the codes of an int8 row and to 8-bit states: over all random bits, whose mean is then known.
#include "kernels/half.hpp"
#include "kernels/log8.hpp"
#include "kernels/scaled_bytes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace tessera::kernels {
namespace {

constexpr std::uint32_t kDraws = 1U << 16U;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The mean of number(random) over all random bits.
template <class Number>
double mean(const Number& number) {
  double sum = 0;
  for (std::uint32_t random = 0; random < kDraws; ++random) sum += double{number(random)};
  return sum / kDraws;
}

TEST(RoundingToHalf, HasTheValueAsItsMean) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> exponents(-26, 15.9F);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const float value = std::exp2(exponents(engine)) * (repeat % 2 == 0 ? 1.0F : -1.0F);
    const double unit = std::exp2(std::max(std::floor(std::log2(std::abs(value))), -14.0F) - 10);
    if (std::abs(value) > 65504) continue;
    const double rounded = mean([=](std::uint32_t random) {
      const float half = from_half(round_to_half(value, random));
      EXPECT_LT(std::abs(double{half} - value), unit);
      return half;
    });
    // Exact for normal numbers; a denormal one may be short by 2^-16 of its unit.
    if (std::abs(value) >= 0x1p-14F)
      EXPECT_EQ(rounded, double{value});
    else
      EXPECT_NEAR(rounded, double{value}, unit / kDraws);
  }
}

TEST(RoundingToHalf, KeepsWhatIsAHalf) {
  for (std::uint32_t number = 0; number < 0x10000U; ++number) {
    const float value = from_half(static_cast<std::uint16_t>(number));
    if (std::isnan(value)) continue;
    ASSERT_EQ(to_half(value), number);
    for (const std::uint32_t random : {0U, 1U, 0x8000U, 0xFFFFU}) ASSERT_EQ(round_to_half(value, random), number);
  }
}

TEST(RoundingToHalf, NearestTiesToEven) {
  EXPECT_EQ(to_half(1.0F + 0x1p-11F), 0x3C00);      // halfway, to the even neighbour below
  EXPECT_EQ(to_half(1.0F + 3 * 0x1p-11F), 0x3C02);  // halfway, to the even neighbour above
  EXPECT_EQ(to_half(1.0F + 1.01F * 0x1p-11F), 0x3C01);
  EXPECT_EQ(to_half(0x1p-25F), 0);  // halfway to the least number
  EXPECT_EQ(to_half(0x1p-25F + 0x1p-48F), 1);
  EXPECT_EQ(to_half(65519.9F), 0x7BFF);
  EXPECT_EQ(to_half(65520.0F), 0x7C00);
  EXPECT_EQ(to_half(-1e9F), 0xFC00);
}

TEST(RoundingToHalf, OfSpecialNumbers) {
  for (const std::uint32_t random : {0U, 0xFFFFU}) {
    EXPECT_EQ(round_to_half(kInfinity, random), 0x7C00);
    EXPECT_EQ(round_to_half(-kInfinity, random), 0xFC00);
    EXPECT_EQ(round_to_half(0.0F, random), 0);
    EXPECT_EQ(round_to_half(-0.0F, random), 0x8000);
    EXPECT_EQ(round_to_half(std::numeric_limits<float>::denorm_min(), random), 0);
    for (const std::uint32_t nan : {0x7F800001U, 0x7FFFFFFFU, 0xFF800001U, 0xFFFFFFFFU}) {
      EXPECT_EQ(round_to_half(std::bit_cast<float>(nan), random), kHalfNan);
      EXPECT_EQ(to_half(std::bit_cast<float>(nan)), kHalfNan);
    }
  }
  EXPECT_EQ(round_to_half(65519.0F, 0), 0x7BFF);
  EXPECT_EQ(round_to_half(65519.0F, 0xFFFFU), 0x7C00);  // the upper neighbour of the largest number
  EXPECT_TRUE(std::isnan(from_half(kHalfNan)));
}

// With any scale that a row may have, the largest element has code 127, and a code times the scale stays a code.
TEST(RoundingToCodes, KeepsWhatIsACode) {
  std::mt19937 engine(2);
  std::uniform_real_distribution<float> exponents(-118, 127.9F);
  for (int repeat = 0; repeat < 20000; ++repeat) {
    const float largest = std::exp2(exponents(engine));
    const float scale = scale_of(float_bits(largest));
    const float inverse = inverse_of(scale);
    const auto code = static_cast<std::int32_t>(engine() % 255) - 127;
    for (const std::uint32_t random : {0U, 0xFFFFU}) {
      ASSERT_EQ(round_to_code(largest, inverse, random), 127) << largest;
      ASSERT_EQ(round_to_code(-largest, inverse, random), -127) << largest;
      ASSERT_EQ(round_to_code(static_cast<float>(code) * scale, inverse, random), code) << largest;
    }
    ASSERT_EQ(nearest_code(largest, inverse), 127);
    ASSERT_EQ(nearest_code(static_cast<float>(code) * scale, inverse), code);
    const float full = 127.0F * scale;
    ASSERT_EQ(scale_of(float_bits(full), scale), scale);
  }
}

TEST(RoundingToCodes, HasTheValueAsItsMean) {
  std::mt19937 engine(3);
  std::uniform_real_distribution<float> uniform(-1, 1);
  const float scale = scale_of(float_bits(1.0F));
  for (int repeat = 0; repeat < 200; ++repeat) {
    const float value = uniform(engine);
    const double rounded = mean([=](std::uint32_t random) {
      const double code = round_to_code(value, inverse_of(scale), random);
      EXPECT_LT(std::abs(code * scale - value), scale * 1.0001F);
      return code * scale;
    });
    EXPECT_NEAR(rounded, value, scale * 0x1p-14);
  }
}

TEST(RoundingToCodes, OfSpecialRows) {
  EXPECT_EQ(scale_of(0), 0.0F);
  EXPECT_EQ(scale_of(1), 0.0F);
  EXPECT_EQ(scale_of(float_bits(0x1p-120F)), 0.0F);  // a scale that would be denormal
  EXPECT_EQ(scale_of(float_bits(kInfinity)), kInfinity);
  EXPECT_EQ(float_bits(scale_of(0x7FFFFFFFU)), 0x7FC00000U);
  EXPECT_EQ(float_bits(scale_of(0x7F800001U, kNan)), 0x7FC00000U);
  for (const float scale : {0.0F, kInfinity, kNan}) {
    EXPECT_EQ(inverse_of(scale), 0.0F);
    EXPECT_EQ(round_to_code(1.0F, inverse_of(scale), 0xFFFFU), 0);
    EXPECT_EQ(nearest_code(kNan, inverse_of(scale)), 0);
  }
}

TEST(RoundingToLog8, LevelsAreQuarterOctaves) {
  EXPECT_EQ(from_log8(0), 0.0F);
  for (std::uint32_t code = 1; code < 256; ++code) {
    const auto byte = static_cast<std::uint8_t>(code);
    const float level = from_log8(byte);
    EXPECT_EQ(level, static_cast<float>(std::exp2((static_cast<double>(code) - 192) / 4))) << code;
    for (const std::uint32_t random : {0U, 1U, 0x8000U, 0xFFFFU}) ASSERT_EQ(round_to_log8(level, random), code);
  }
}

TEST(RoundingToLog8, HasTheValueAsItsMean) {
  std::mt19937 engine(4);
  std::uniform_real_distribution<float> exponents(-47.7F, 15.7F);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const float value = std::exp2(exponents(engine));
    const double rounded = mean([=](std::uint32_t random) { return from_log8(round_to_log8(value, random)); });
    EXPECT_NEAR(rounded, value, value * 0.2 / kDraws);
  }
}

TEST(RoundingToLog8, OfSpecialNumbers) {
  for (const std::uint32_t random : {0U, 0xFFFFU}) {
    EXPECT_EQ(round_to_log8(0.0F, random), 0);
    EXPECT_EQ(round_to_log8(-0.0F, random), 0);
    EXPECT_EQ(round_to_log8(std::numeric_limits<float>::denorm_min(), random), 1);
    EXPECT_EQ(round_to_log8(1e-16F, random), 1);
    EXPECT_EQ(round_to_log8(1e6F, random), 255);
    EXPECT_EQ(round_to_log8(kInfinity, random), 255);
    EXPECT_EQ(round_to_log8(kNan, random), 255);
    EXPECT_EQ(round_to_log8(-kNan, random), 255);
  }
}

}  // namespace
}  // namespace tessera::kernels
