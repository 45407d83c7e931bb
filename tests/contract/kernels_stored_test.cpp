// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Tables in formats smaller than fp32: what is read of them, and rows that are made and moved. Their updates are in
// kernels_stored_updates_test.cpp.
#include "kernels_stored_support.hpp"

namespace tessera::kernels::testing {
namespace {

const std::size_t kWidths[] = {1, 2, 3, 4, 5, 15, 16, 17, 31, 100, 202};
const std::vector<std::uint32_t> kIndices{19, 0, 7, 3, 12};
const std::vector<std::uint32_t> kHotRows{7, 19, 5};
constexpr std::size_t kRows = 20;

class KernelsStored : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsStored);

/// Calls test(format, width) for all of them.
template <class Test>
void each_shape(const Test& test) {
  for (const RowFormat format : kSmallFormats)
    for (const std::size_t width : kWidths) {
      const ::testing::ScopedTrace trace(__FILE__, __LINE__, name_of(format) + ", " + std::to_string(width));
      test(format, width);
    }
}

TEST_P(KernelsStored, GatherWidensExactly) {
  each_shape([](RowFormat format, std::size_t width) {
    const StoredTable table(format, random_grid(kRows, width, 1), 4, kHotRows);
    Grid out(kIndices.size(), width, 2);
    backend().rows.gather(table.view(), kIndices, out.view());
    const Grid widened = table.widened();
    for (std::size_t i = 0; i < kIndices.size(); ++i)
      for (std::size_t c = 0; c < width; ++c) ASSERT_EQ(bits(out.at(i, c)), bits(widened.at(kIndices[i], c)));
    EXPECT_TRUE(out.gaps_intact());
  });
}

TEST_P(KernelsStored, DecodeWidensAllRows) {
  each_shape([](RowFormat format, std::size_t width) {
    const StoredTable table(format, random_grid(300, width, 2), 4, kHotRows);
    Grid out(300, width, 2);
    backend().rows.decode(table.view(), out.view());
    EXPECT_TRUE(same_bits(out, table.widened()));
    EXPECT_TRUE(out.gaps_intact());
  });
  Grid matrix = random_grid(3, 5, 3, 1);
  Grid out(3, 5);
  backend().rows.decode(matrix.view(), out.view());
  EXPECT_TRUE(same_bits(out, matrix));
}

// Every number of 16 bits.
TEST_P(KernelsStored, EveryNumberIsWidened) {
  for (const RowFormat format : {RowFormat::kBf16, RowFormat::kFp16}) {
    StoredTable table(format, Grid(256, 256));
    for (std::uint32_t number = 0; number < 0x10000U; ++number) {
      const auto half = static_cast<std::uint16_t>(number);
      std::memcpy(table.view({}).row(number / 256) + 2 * (number % 256), &half, sizeof half);
    }
    Grid out(256, 256);
    backend().rows.decode(table.view(), out.view());
    for (std::uint32_t number = 0; number < 0x10000U; ++number) {
      const float value = out.at(number / 256, number % 256);
      const float want = table.value(number / 256, number % 256);
      ASSERT_TRUE(std::isnan(want) ? std::isnan(value) : bits(value) == bits(want)) << number << ": " << value;
    }
  }
}

// Scores, weighted sums and penalties have the bits of the same table in fp32.
TEST_P(KernelsStored, ReadsHaveTheBitsOfWidenedRows) {
  const std::vector<std::uint32_t> query_of{0, 2, 1, 2, 0};
  const std::vector<std::uint32_t> places{4, 0, 1, 3, 2};
  const std::vector<std::uint32_t> offsets{0, 2, 5};
  const std::vector<std::uint32_t> positions{1, 0, 4, 2, 3};
  const std::vector<std::uint32_t> to{2, 0};
  const std::vector<std::uint32_t> each{0, 1, 2, 3, 4};
  const std::vector<float> weights = random_vector(5, 2);
  each_shape([&](RowFormat format, std::size_t width) {
    const StoredTable table(format, random_grid(kRows, width, 3), 8, kHotRows);
    const Grid widened = table.widened();
    const Grid queries = random_grid(3, width, 4);
    std::vector<float> scores(5), want_scores(5);
    backend().targets.score(queries.view(), table.view(), {query_of, kIndices}, places, scores);
    backend().targets.score(queries.view(), widened.view(), {query_of, kIndices}, places, want_scores);
    EXPECT_TRUE(same_bits(scores, want_scores));
    Grid sums = random_grid(3, width, 5);
    Grid want_sums = sums;
    backend().targets.add_weighted({weights, places, table.view(), kIndices, {}}, {offsets, positions}, sums.view(),
                                   to);
    backend().targets.add_weighted({weights, places, widened.view(), kIndices, {}}, {offsets, positions},
                                   want_sums.view(), to);
    EXPECT_TRUE(same_bits(sums, want_sums));
    for (const bool is_complex : {false, true}) {
      if (is_complex && width % 2 != 0) continue;
      Grid gradients = random_grid(5, width, 6);
      Grid want = gradients;
      backend().penalties.add({3, is_complex}, 0.5F, {table.view(), kIndices, weights}, gradients.view(), each);
      backend().penalties.add({3, is_complex}, 0.5F, {widened.view(), kIndices, weights}, want.view(), each);
      EXPECT_TRUE(same_bits(gradients, want));
    }
  });
}

// Rows that are taken have the bytes of the table; a hot row comes as the int8 row that encode() makes of it.
TEST_P(KernelsStored, TakeMovesRowsAsTheyAre) {
  each_shape([](RowFormat format, std::size_t width) {
    const Grid from = random_grid(kRows, width, 7);
    const StoredTable table(format, from, 4, kHotRows);
    const StoredTable encoded(format, from);
    StoredTable out(format, Grid(kIndices.size(), width), 8);
    backend().rows.take(table.view(), kIndices, out.view({}));
    for (std::size_t i = 0; i < kIndices.size(); ++i)
      ASSERT_EQ(std::memcmp(out.view({}).row(i), encoded.view().row(kIndices[i]), row_bytes(format, width)), 0) << i;
    EXPECT_TRUE(out.gaps_intact());
  });
  const Grid matrix = random_grid(kRows, 9, 8, 1);
  Grid out(kIndices.size(), 9, 2);
  backend().rows.take(matrix.view(), kIndices, out.view());
  for (std::size_t i = 0; i < kIndices.size(); ++i)
    for (std::size_t c = 0; c < 9; ++c) ASSERT_EQ(bits(out.at(i, c)), bits(matrix.at(kIndices[i], c)));
  EXPECT_TRUE(out.gaps_intact());
}

/// Numbers of every magnitude that a row may have.
Grid numbers(std::size_t rows, std::size_t cols, std::uint32_t seed) {
  Grid grid = random_grid(rows, cols, seed);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < cols; ++c) grid.at(i, c) *= std::ldexp(1.0F, static_cast<int>(i) * 4 - 45);
  return grid;
}

// No number of the format is nearer.
TEST_P(KernelsStored, EncodeRoundsToNearest) {
  each_shape([](RowFormat format, std::size_t width) {
    const Grid from = numbers(kRows, width, 9);
    StoredTable table(format, Grid(kRows, width), 4);
    backend().rows.encode(from.view(), table.view({}));
    EXPECT_TRUE(table.gaps_intact());
    EXPECT_TRUE(table == StoredTable(format, from, 4));  // the reference
    for (std::size_t i = 0; i < kRows; ++i) {
      float largest = 0;
      for (std::size_t c = 0; c < width; ++c) largest = std::max(largest, std::abs(from.at(i, c)));
      if (format == RowFormat::kInt8) {
        ASSERT_EQ(table.scale(i), largest / 127);
      }
      for (std::size_t c = 0; c < width; ++c) {
        const double value = from.at(i, c);
        if (format == RowFormat::kFp16 && std::abs(value) >= 65520) {
          ASSERT_EQ(table.value(i, c), std::copysign(kInfinity, from.at(i, c)));
          continue;
        }
        const double off = std::abs(table.value(i, c) - value);
        const double exponent = std::floor(std::log2(std::abs(value)));
        const double unit = format == RowFormat::kInt8   ? table.scale(i)
                            : format == RowFormat::kBf16 ? std::exp2(exponent - 7)
                                                         : std::exp2(std::max(exponent, -14.0) - 10);
        ASSERT_LE(off, unit / 2 * (1 + 1e-4)) << value << " is " << table.value(i, c);
      }
    }
  });
}

TEST_P(KernelsStored, EncodeKeepsSpecialNumbers) {
  for (const RowFormat format : kSmallFormats) {
    Grid from(5, 4, 0, 1.0F);
    from.at(0, 1) = kInfinity;
    from.at(1, 2) = -kInfinity;
    from.at(2, 3) = kNan;
    for (std::size_t c = 0; c < 4; ++c) from.at(3, c) = c == 2 ? -0.0F : 0.0F;
    from.at(4, 0) = std::numeric_limits<float>::denorm_min();
    from.at(4, 1) = from.at(4, 2) = from.at(4, 3) = 0;
    StoredTable table(format, Grid(5, 4));
    backend().rows.encode(from.view(), table.view({}));
    EXPECT_TRUE(table == StoredTable(format, from)) << name_of(format);
    EXPECT_EQ(table.value(3, 0), 0.0F);
    EXPECT_EQ(table.value(4, 0), 0.0F);
    if (format == RowFormat::kInt8) {
      EXPECT_EQ(table.scale(0), kInfinity);
      EXPECT_EQ(table.scale(1), kInfinity);
      EXPECT_TRUE(std::isnan(table.scale(2)));
      EXPECT_FALSE(is_hot(table.view().row(2)));
    } else {
      EXPECT_EQ(table.value(0, 1), kInfinity);
      EXPECT_EQ(table.value(1, 2), -kInfinity);
      EXPECT_TRUE(std::isnan(table.value(2, 3)));
      EXPECT_EQ(bits(table.value(3, 2)), bits(-0.0F));
    }
  }
}

TEST_P(KernelsStored, WrongShapesAreRefused) {
  Grid out(1, 9);
  for (const RowFormat format : kSmallFormats) {
    StoredTable table(format, Grid(4, 8));
    StoredTable another(format == RowFormat::kBf16 ? RowFormat::kFp16 : RowFormat::kBf16, Grid(1, 8));
    StoredTable few(format, Grid(1, 8));
    const std::vector<std::uint32_t> first{0};
    const std::vector<std::uint32_t> outside{4};
    EXPECT_ANY_THROW(backend().rows.gather(std::as_const(table).view(), first, out.view()));
    EXPECT_ANY_THROW(backend().rows.take(std::as_const(table).view(), first, another.view({})));
    EXPECT_ANY_THROW(backend().rows.take(std::as_const(table).view(), outside, few.view({})));
    EXPECT_ANY_THROW(backend().rows.encode(Grid(3, 8).view(), table.view({})));
    EXPECT_ANY_THROW(backend().rows.decode(std::as_const(few).view(), out.view()));
  }
}

}  // namespace
}  // namespace tessera::kernels::testing
