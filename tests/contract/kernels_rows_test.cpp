// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/random.hpp"
#include "kernels_support.hpp"

namespace tessera::kernels::testing {
namespace {

const std::size_t kWidths[] = {1, 3, 15, 16, 17, 63, 64, 65, 100, 128, 200};

class KernelsRows : public KernelsContract {};
TESSERA_KERNELS_CONTRACT(KernelsRows);

TEST_P(KernelsRows, GatherCopiesRowsInAnyOrder) {
  for (const std::size_t width : kWidths) {
    const Grid table = random_grid(20, width, 1, 2);
    const std::vector<std::uint32_t> indices{19, 0, 7, 7, 3, 19, 1, 12, 11};
    Grid out(indices.size(), width, 3);
    backend().rows.gather(table.view(), indices, out.view());
    for (std::size_t i = 0; i < indices.size(); ++i)
      for (std::size_t c = 0; c < width; ++c) ASSERT_EQ(bits(out.at(i, c)), bits(table.at(indices[i], c)));
    EXPECT_TRUE(out.gaps_intact());
  }
}

TEST_P(KernelsRows, ScatterUndoesGather) {
  for (const std::size_t width : kWidths) {
    const Grid in = random_grid(9, width, 2, 1);
    const std::vector<std::uint32_t> indices{19, 0, 7, 8, 3, 4, 1, 12, 11};
    Grid table(20, width, 2, 5.0F);
    backend().rows.scatter(in.view(), indices, table.view());
    Grid out(9, width);
    backend().rows.gather(table.view(), indices, out.view());
    EXPECT_TRUE(same_bits(in, out));
    EXPECT_TRUE(table.gaps_intact());
    for (std::size_t c = 0; c < width; ++c) EXPECT_EQ(table.at(2, c), 5.0F);  // nobody asked for row 2
  }
}

TEST_P(KernelsRows, SumSegmentsAddsInOrder) {
  for (const std::size_t width : kWidths) {
    const Grid in = random_grid(30, width, 3, 4);
    const std::vector<std::uint32_t> offsets{0, 1, 1, 6, 6, 20};
    std::vector<std::uint32_t> positions(20);
    std::mt19937 engine(4);
    for (std::uint32_t& position : positions) position = static_cast<std::uint32_t>(engine() % 30);
    Grid out(5, width, 1, 9.0F);
    backend().rows.sum_segments(in.view(), offsets, positions, out.view());
    for (std::size_t u = 0; u < 5; ++u)
      for (std::size_t c = 0; c < width; ++c) {
        float sum = 0;
        for (std::uint32_t k = offsets[u]; k < offsets[u + 1]; ++k) sum += in.at(positions[k], c);
        ASSERT_EQ(bits(out.at(u, c)), bits(sum)) << u << ", " << c << " of " << width;
      }
    EXPECT_TRUE(out.gaps_intact());
  }
}

TEST_P(KernelsRows, AddTakesEachRowOnce) {
  for (const std::size_t width : kWidths) {
    const Grid in = random_grid(6, width, 3, 1);
    const Grid before = random_grid(10, width, 4, 2);
    Grid table = before;
    const std::vector<std::uint32_t> from{5, 0, 0, 3};
    const std::vector<std::uint32_t> to{9, 1, 0, 4};
    backend().rows.add(in.view(), from, to, table.view());
    Grid expected = before;
    for (std::size_t k = 0; k < to.size(); ++k)
      for (std::size_t c = 0; c < width; ++c) expected.at(to[k], c) += in.at(from[k], c);
    EXPECT_TRUE(same_bits(table, expected) && table.gaps_intact());
    backend().rows.fill(0, table.view());
    EXPECT_TRUE(same_bits(table, Grid(10, width)) && table.gaps_intact());
    backend().rows.fill(-2.5F, table.view());
    EXPECT_TRUE(same_bits(table, Grid(10, width, 0, -2.5F)) && table.gaps_intact());
  }
}

// Windows of rows, one after the other, have the bits of one sum.
TEST_P(KernelsRows, SegmentsAreAddedInWindows) {
  for (const std::size_t width : kWidths) {
    const Grid in = random_grid(11, width, 3, 1);
    const std::vector<std::uint32_t> offsets{0, 4, 4, 9, 11};
    const std::vector<std::uint32_t> positions{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    Grid expected(4, width, 2);
    backend().rows.sum_segments(in.view(), offsets, positions, expected.view());
    for (const std::size_t window : {1, 3, 5, 11}) {
      Grid sums(4, width, 2);
      for (std::size_t first = 0; first < 11; first += window)
        backend().rows.add_segments(in.view().block(first, std::min(window, 11 - first)), first, offsets, sums.view());
      EXPECT_TRUE(same_bits(sums, expected) && sums.gaps_intact()) << width << " by " << window;
    }
  }
}

// The words are those of core's stream, which its own test holds against published ones.
TEST_P(KernelsRows, DropMultipliesByTheWordsOfTheStream) {
  const RandomStream stream(0x123456789abcdefU, Purpose::kDropout, 7, 1234);
  for (const std::size_t width : kWidths) {
    constexpr std::uint32_t kThreshold = 0x60000000;            // three in eight
    const std::uint64_t first = (std::uint64_t{3} << 32U) - 5;  // the counter's upper half changes on the way
    const std::size_t step = (width + 3) / 4 + 2;
    DropoutMask mask{.first = first, .step = step, .threshold = kThreshold, .gain = 1.6F};
    mask.key_low = stream.key()[0];
    mask.key_high = stream.key()[1];
    mask.stream_low = stream.counter_high()[0];
    mask.stream_high = stream.counter_high()[1];
    Grid rows = random_grid(9, width, 3, 2);
    Grid expected = rows;
    for (std::size_t i = 0; i < 9; ++i)
      for (std::size_t c = 0; c < width; ++c)
        expected.at(i, c) *= stream.words(first + i * step + c / 4).at(c % 4) < kThreshold ? 0.0F : 1.6F;
    const Grid before = rows;
    backend().rows.drop(mask, {}, rows.view());
    EXPECT_TRUE(same_bits(rows, expected) && rows.gaps_intact()) << width;
    const std::vector<std::uint32_t> mask_rows{8, 0, 3};
    Grid some(3, width);
    Grid expected_some(3, width);
    backend().rows.gather(before.view(), mask_rows, some.view());
    backend().rows.gather(expected.view(), mask_rows, expected_some.view());
    backend().rows.drop(mask, mask_rows, some.view());
    EXPECT_TRUE(same_bits(some, expected_some)) << width;
  }
}

TEST_P(KernelsRows, NothingToMoveIsNoWork) {
  Grid table = random_grid(4, 8, 5);
  const Grid before = table;
  Grid none(0, 8);
  backend().rows.gather(table.view(), {}, none.view());
  backend().rows.scatter(none.view(), {}, table.view());
  const std::vector<std::uint32_t> offsets{0};
  backend().rows.sum_segments(table.view(), offsets, {}, none.view());
  EXPECT_TRUE(same_bits(table, before));
}

TEST_P(KernelsRows, IndicesOutsideAreRefused) {
  Grid table(4, 8);
  Grid out(1, 8);
  const std::vector<std::uint32_t> outside{4};
  const std::vector<std::uint32_t> offsets{0, 1};
  const std::vector<std::uint32_t> beyond{0, 2};
  EXPECT_ANY_THROW(backend().rows.gather(table.view(), outside, out.view()));
  EXPECT_ANY_THROW(backend().rows.scatter(out.view(), outside, table.view()));
  EXPECT_ANY_THROW(backend().rows.sum_segments(table.view(), offsets, outside, out.view()));
  const std::vector<std::uint32_t> inside{0};
  EXPECT_ANY_THROW(backend().rows.add(out.view(), outside, inside, table.view()));
  EXPECT_ANY_THROW(backend().rows.add(out.view(), inside, outside, table.view()));
  EXPECT_ANY_THROW(backend().rows.sum_segments(table.view(), beyond, std::vector<std::uint32_t>{0}, out.view()));
}

}  // namespace
}  // namespace tessera::kernels::testing
