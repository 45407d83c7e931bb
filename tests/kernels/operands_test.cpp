// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Copies of operands for products on matrix units: rounding, scaling, and the memory for them.
#include "kernels/cuda/detail/convert.hpp"
#include "kernels/cuda/detail/workspace.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "kernels/padding.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace tessera::kernels::cuda {
namespace {

TEST(Bfloat16, ByHand) {
  EXPECT_EQ(to_bfloat16(1.0F), 0x3F80);
  EXPECT_EQ(to_bfloat16(-0.0F), 0x8000);
  EXPECT_EQ(to_bfloat16(1.0F + 1.0F / 256), 0x3F80);  // halfway, to the even neighbour below
  EXPECT_EQ(to_bfloat16(1.0F + 3.0F / 256), 0x3F82);  // halfway, to the even neighbour above
  EXPECT_EQ(to_bfloat16(1.0F + 1.1F / 256), 0x3F81);  // above halfway
  EXPECT_EQ(to_bfloat16(3.4e38F), 0x7F80);            // rounds to infinity
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::infinity()), 0x7F80);
  EXPECT_TRUE(std::isnan(from_bfloat16(to_bfloat16(std::bit_cast<float>(0x7F800001U)))));
  EXPECT_TRUE(std::isnan(from_bfloat16(to_bfloat16(std::bit_cast<float>(0xFFFFFFFFU)))));
}

// No neighbour of the result is nearer, for numbers of every exponent.
TEST(Bfloat16, IsTheNearest) {
  std::mt19937 engine(1);
  for (int repeat = 0; repeat < 100000; ++repeat) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
    if (!std::isfinite(value)) continue;
    const std::uint16_t rounded = to_bfloat16(value);
    const double distance = std::abs(static_cast<double>(from_bfloat16(rounded)) - value);
    if (std::isinf(distance)) continue;
    for (const int step : {-1, 1}) {
      const float neighbour = from_bfloat16(static_cast<std::uint16_t>(rounded + step));
      if (std::isfinite(neighbour)) {
        ASSERT_LE(distance, std::abs(static_cast<double>(neighbour) - value)) << value;
      }
    }
  }
}

TEST(Operands, AreScaledAndRoundedInPaddedRows) {
  constexpr std::size_t kRows = 11;
  constexpr std::size_t kCols = 300;
  constexpr std::size_t kStride = 301;
  constexpr std::size_t kPadded = 304;
  std::vector<float> values(kRows * kStride);
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = static_cast<float>(k) - 100.5F;
  std::vector<float> factors(kRows);
  for (std::size_t i = 0; i < kRows; ++i) factors[i] = 1.0F / static_cast<float>(i + 1);
  std::vector<float> scaled(kRows * kPadded);
  std::vector<std::uint16_t> rounded(kRows * kPadded);
  std::vector<std::uint16_t> plain(kRows * kPadded);
  const ConstMatrix from{values.data(), kRows, kCols, kStride};
  const TiledWeights one_tile{from, {factors.data(), 1, kRows, kRows}, kCols};
  copy_elements(HostLauncher(), one_tile, scaled.data());
  copy_elements(HostLauncher(), one_tile, rounded.data());
  copy_elements(HostLauncher(), TiledWeights{from, {}}, plain.data());
  for (std::size_t i = 0; i < kRows; ++i)
    for (std::size_t c = 0; c < kCols; ++c) {
      const float value = values[i * kStride + c];
      ASSERT_EQ(scaled[i * kPadded + c], factors[i] * value);
      ASSERT_EQ(rounded[i * kPadded + c], to_bfloat16(factors[i] * value));
      ASSERT_EQ(plain[i * kPadded + c], to_bfloat16(value));
    }
  for (std::size_t c = kCols; c < kPadded; ++c) {
    EXPECT_EQ(scaled[c], 0.0F);
    EXPECT_EQ(rounded[c], 0);
    EXPECT_EQ(plain[c], 0);
  }
}

TEST(Operands, TakeTheFactorOfTheirTile) {
  constexpr std::size_t kRows = 3;
  constexpr std::size_t kCols = 10;
  constexpr std::size_t kTileCols = 4;
  constexpr std::size_t kPadded = 16;
  std::vector<float> values(kRows * kCols);
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = static_cast<float>(k) - 7.5F;
  const std::vector<float> factors{1, 2, 3, 0.1F, 0.2F, 0.3F, -1, -2, -3};  // [tiles, rows]
  const TiledWeights tiled{{values.data(), kRows, kCols, kCols}, {factors.data(), 3, kRows, kRows}, kTileCols};
  std::vector<float> scaled(kRows * kPadded);
  std::vector<std::uint16_t> rounded(kRows * kPadded);
  copy_elements(HostLauncher(), tiled, scaled.data());
  copy_elements(HostLauncher(), tiled, rounded.data());
  for (std::size_t i = 0; i < kRows; ++i)
    for (std::size_t c = 0; c < kCols; ++c) {
      const float expected = factors[c / kTileCols * kRows + i] * values[i * kCols + c];
      ASSERT_EQ(scaled[i * kPadded + c], expected);
      ASSERT_EQ(rounded[i * kPadded + c], to_bfloat16(expected));
    }
}

/// Takes the operands of all products of these sizes from a workspace of the bytes that are said to be enough.
void expect_enough(Products products, const ProductSizes& sizes) {
  std::vector<std::byte> memory(workspace_bytes(products, sizes) - kBlasBytes);
  const std::size_t weights = sizes.queries * padded_stride(sizes.rows);
  const std::size_t queries = sizes.queries * padded_stride(sizes.dim);
  const std::size_t rows = sizes.rows * padded_stride(sizes.dim);
  const auto take = [&](std::size_t left, std::size_t right) {
    Workspace workspace({memory.data(), memory.size()});
    if (products != Products::kBfloat16) {
      EXPECT_EQ(workspace.take<float>(queries).size(), queries);  // only scaled queries are copied
      return;
    }
    EXPECT_EQ(workspace.take<std::uint16_t>(left).size(), left);
    EXPECT_EQ(workspace.take<std::uint16_t>(right).size(), right);
  };
  take(queries, rows);     // scores
  take(weights, rows);     // gradients of queries
  take(weights, queries);  // gradients of rows
}

TEST(Workspace, HoldsTheOperandsOfEveryProduct) {
  EXPECT_EQ(workspace_bytes(Products::kChain, {1000, 1000, 1000}), 0U);
  for (const ProductSizes& sizes : {ProductSizes{1, 1, 1}, {100, 333, 17}, {7, 1000, 100}, {1000, 7, 100}, {9, 9, 999}})
    for (const Products products : {Products::kFp32, Products::kTf32, Products::kBfloat16})
      expect_enough(products, sizes);
}

TEST(Workspace, RefusesMoreThanItHas) {
  std::vector<std::byte> memory(512);
  Workspace workspace({memory.data(), memory.size()});
  EXPECT_EQ(workspace.take<float>(10).data(), reinterpret_cast<float*>(memory.data()));
  EXPECT_EQ(workspace.take<float>(64).data(), reinterpret_cast<float*>(memory.data() + 256));
  EXPECT_ANY_THROW((void)workspace.take<float>(1));
}

}  // namespace
}  // namespace tessera::kernels::cuda
