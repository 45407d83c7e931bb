// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/detail/lists.hpp"
#include "packing/elias_fano.hpp"
#include "packing/patched.hpp"
#include "packing/unpack.hpp"

#include <algorithm>
#include <bit>
#include <random>

#include <gtest/gtest.h>

namespace tessera::packing {
namespace {

using Bytes = std::vector<std::uint8_t>;
using detail::kBeyond;

TEST(Unpack, EveryWidthAndCountIsAsTheReference) {
  std::mt19937 random(7);
  for (unsigned width = 0; width <= 32; ++width)
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{1021}}) {
      Bytes bytes(bytes_of_bits(count * width) + kPadding);
      for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
      std::vector<std::uint32_t> fast(count + kUnpackGroup);
      std::vector<std::uint32_t> slow(count);
      unpack(bytes.data(), width, count, fast.data());
      unpack_reference(bytes.data(), width, count, slow.data());
      EXPECT_TRUE(std::equal(slow.begin(), slow.end(), fast.begin())) << width << " " << count;
    }
}

/// Numbers of `usual` bits, some of them of 32.
std::vector<std::uint32_t> mixed(std::size_t count, unsigned usual, int rare, std::mt19937& random) {
  std::vector<std::uint32_t> values(count);
  for (auto& value : values) value = usual == 0 ? 0 : static_cast<std::uint32_t>(random()) >> (32 - usual);
  for (int k = 0; k < rare && count > 0; ++k) values[random() % count] = static_cast<std::uint32_t>(random());
  return values;
}

std::vector<std::uint32_t> read_all(const Patched& column, const Bytes& bytes) {
  std::vector<std::uint32_t> read(column.count + kUnpackGroup);
  column.read(bytes.data(), read.data());
  read.resize(column.count);
  return read;
}

TEST(Patched, NumbersComeBackWithAndWithoutExceptions) {
  std::mt19937 random(8);
  for (const std::size_t count : {0, 1, 2, 9, 250, 1024})
    for (const unsigned usual : {0U, 1U, 5U, 13U, 31U})
      for (const int rare : {0, 1, 20}) {
        const auto values = mixed(count, usual, rare, random);
        const Patched column = Patched::choose(values);
        Bytes bytes;
        BitWriter writer(bytes);
        column.write(values, writer);
        ASSERT_EQ(bytes.size(), column.bytes());
        bytes.resize(bytes.size() + kPadding);
        EXPECT_EQ(read_all(column, bytes), values);
        for (std::size_t first = 0; first < count; first += 8 * kUnpackGroup) {
          const std::size_t end = std::min(count, first + 11);
          std::vector<std::uint32_t> some(end - first + kUnpackGroup);
          column.read_some(bytes.data(), first, end, some.data());
          EXPECT_TRUE(std::equal(some.begin(), some.begin() + static_cast<std::ptrdiff_t>(end - first),
                                 values.begin() + static_cast<std::ptrdiff_t>(first)));
        }
      }
}

TEST(Patched, AFewLargeNumbersDoNotWidenAll) {
  std::vector<std::uint32_t> values(1000, 3);
  values[17] = 1U << 30U;
  const Patched column = Patched::choose(values);
  EXPECT_EQ(column.width, 2U);
  EXPECT_EQ(column.patches, 1U);
  EXPECT_LT(column.bytes(), 260U);
}

std::vector<std::uint64_t> ascending(std::size_t count, std::uint64_t most_gap, std::mt19937_64& random) {
  std::vector<std::uint64_t> values(count);
  std::uint64_t value = 0;
  for (auto& each : values) {
    value += 1 + random() % most_gap;
    each = value;
  }
  return values;
}

TEST(EliasFano, EveryNumberIsFoundWhereItWas) {
  std::mt19937_64 random(9);
  for (const std::size_t count : {1, 63, 64, 65, 5000})
    for (const std::uint64_t gap : {1ULL, 3ULL, 1000ULL, 1ULL << 40U}) {
      const auto values = ascending(count, gap, random);
      const EliasFano packed = EliasFano::encode(values);
      ASSERT_TRUE(EliasFanoView::is_sound(count, packed.low_width, packed.low, packed.high, values.back() + 1));
      std::vector<std::uint32_t> samples((count + EliasFanoView::kSampled - 1) / EliasFanoView::kSampled);
      EliasFanoView::sample(packed.high, samples);
      const EliasFanoView view(count, packed.low_width, packed.low, packed.high, samples);
      for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(view[i], values[i]) << i;
      std::vector<std::uint32_t> at(300);
      for (auto& each : at) each = 7 + static_cast<std::uint32_t>(random() % count);
      std::vector<std::uint64_t> found(at.size());
      view.gather(at, 7, found.data());
      for (std::size_t k = 0; k < at.size(); ++k) ASSERT_EQ(found[k], values[at[k] - 7]) << at[k];
    }
}

TEST(EliasFano, BitsAreSpread) {
  std::mt19937_64 random(13);
  for (const std::size_t count : {1, 2, 40, 64, 5000})
    for (const std::uint64_t gap : {1, 2, 3, 4, 5, 9, 1000}) {
      const auto values = ascending(count, gap, random);
      const EliasFano packed = EliasFano::encode(values);
      std::vector<std::uint32_t> samples((count + EliasFanoView::kSampled - 1) / EliasFanoView::kSampled);
      EliasFanoView::sample(packed.high, samples);
      const EliasFanoView view(count, packed.low_width, packed.low, packed.high, samples);
      std::vector<std::uint64_t> chosen((count + 63) / 64);
      for (std::size_t i = 0; i < count; ++i) chosen[i / 64] |= random() % 3 / 2 << (i % 64);
      std::vector<std::uint64_t> rows(values.back() / 64 + 1);
      std::vector<std::uint64_t> expected(rows.size());
      rows[0] = expected[0] = 1;
      for (std::size_t i = 0; i < count; ++i)
        expected[values[i] / 64] |= (chosen[i / 64] >> (i % 64) & 1U) << (values[i] % 64);
      view.spread(chosen, rows);
      EXPECT_EQ(rows, expected) << count << " " << gap;
    }
}

TEST(EliasFano, DamageIsFound) {
  std::mt19937_64 random(10);
  const auto values = ascending(500, 40, random);
  const EliasFano packed = EliasFano::encode(values);
  const auto is_sound = [&](const EliasFano& of, std::uint64_t bound) {
    return EliasFanoView::is_sound(of.count, of.low_width, of.low, of.high, bound);
  };
  EXPECT_FALSE(is_sound(packed, values.back()));
  EliasFano fewer = packed;
  fewer.high[0] &= fewer.high[0] - 1;
  EXPECT_FALSE(is_sound(fewer, values.back() + 1));
  EliasFano wide = packed;
  wide.low_width = 60;
  EXPECT_FALSE(is_sound(wide, values.back() + 1));
  EliasFano equal = EliasFano::encode(std::vector<std::uint64_t>{4, 4});
  EXPECT_FALSE(is_sound(equal, 100));
  EXPECT_TRUE(is_sound(EliasFano::encode({}), 0));
}

TEST(Lists, WideVectorsAreAsTheReference) {
  std::mt19937 random(12);
  for (int trial = 0; trial < 2000; ++trial) {
    const std::size_t count = 1 + random() % 100;
    const auto bits = static_cast<std::uint32_t>(random()) % 31 + 1;
    const auto number = [&] { return static_cast<std::uint32_t>(random()) >> (32 - bits); };
    std::vector<std::uint64_t> starts(3);
    std::vector<std::uint32_t> sources(120);
    std::vector<std::uint32_t> firsts(120);
    std::vector<std::uint32_t> gaps(120);
    for (std::size_t i = 0; i < count; ++i)
      if (i == 0 || random() % 3 == 0) starts[i / 64] |= std::uint64_t{1} << (i % 64);
    const auto ones = static_cast<std::size_t>(std::popcount(starts[0]) + std::popcount(starts[1]));
    for (auto* column : {&sources, &firsts, &gaps})
      for (auto& each : *column) each = number();
    const detail::Lists lists{starts.data(), ones, sources.data(), firsts.data(), gaps.data()};
    std::vector<std::uint32_t> wide_sources(120), wide_targets(120), slow_sources(120), slow_targets(120);
    const std::uint64_t wide = detail::join_lists(lists, count, {wide_sources.data(), wide_targets.data()});
    const std::uint64_t slow = detail::join_lists_reference(lists, count, {slow_sources.data(), slow_targets.data()});
    ASSERT_EQ(std::min(wide, kBeyond), std::min(slow, kBeyond));
    const auto n = static_cast<std::ptrdiff_t>(count);
    EXPECT_TRUE(std::equal(slow_sources.begin(), slow_sources.begin() + n, wide_sources.begin()));
    EXPECT_TRUE(std::equal(slow_targets.begin(), slow_targets.begin() + n, wide_targets.begin()));
    const std::uint64_t wide_last = detail::add_gaps(gaps.data(), count, firsts[0], wide_sources.data());
    const std::uint64_t slow_last = detail::add_gaps_reference(gaps.data(), count, firsts[0], slow_sources.data());
    ASSERT_EQ(std::min(wide_last, kBeyond), std::min(slow_last, kBeyond));
    EXPECT_TRUE(std::equal(slow_sources.begin(), slow_sources.begin() + n + 1, wide_sources.begin()));
  }
}

}  // namespace
}  // namespace tessera::packing
