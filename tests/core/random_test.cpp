// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/random.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

namespace tessera {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Counter {index, index >> 32, epoch, purpose << 24 | part} and key {seed, seed >> 32} as Random123's file of known
// answers has them (tests/kat_vectors, philox 4x32 with 10 rounds).
struct KnownAnswer {
  Words counter;
  std::array<std::uint32_t, 2> key;
  Words expected;
};

constexpr std::array<KnownAnswer, 3> kKnownAnswers = {{
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
}};

std::uint64_t joined(std::uint32_t low, std::uint32_t high) { return (std::uint64_t{high} << 32U) | low; }

TEST(RandomStream, KnownAnswersOfPhilox) {
  for (const KnownAnswer& known : kKnownAnswers) {
    const RandomStream stream(joined(known.key[0], known.key[1]), static_cast<Purpose>(known.counter[3] >> 24U),
                              known.counter[2], known.counter[3] & 0xFFFFFFU);
    const std::uint64_t index = joined(known.counter[0], known.counter[1]);
    EXPECT_EQ(stream.words(index), known.expected);
    EXPECT_EQ(stream.bits(index), joined(known.expected[0], known.expected[1]));
  }
}

TEST(RandomStream, RefusesAPartThatWouldOverlap) {
  EXPECT_THROW(RandomStream(1, Purpose::kInit, 0, 1U << 24U), Error);
  EXPECT_NO_THROW(RandomStream(1, Purpose::kInit, 0, (1U << 24U) - 1));
}

TEST(RandomStream, EveryPartOfTheKeyMatters) {
  std::set<Words> seen;
  std::size_t drawn = 0;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32U, ~std::uint64_t{0}})
    for (const Purpose purpose : {Purpose::kInit, Purpose::kShuffle, Purpose::kNegatives, Purpose::kSplit,
                                  Purpose::kPartition, Purpose::kDropout})
      for (const std::uint32_t epoch : {0U, 1U, 2U, 0xffffffffU})
        for (const std::uint32_t part : {0U, 1U, 2U, 0xffffffU})
          for (const std::uint64_t index :
               {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32U, ~std::uint64_t{0}}) {
            seen.insert(RandomStream(seed, purpose, epoch, part).words(index));
            ++drawn;
          }
  EXPECT_EQ(seen.size(), drawn);
}

TEST(RandomStream, NumbersDependOnNothingElse) {
  const RandomStream stream(7, Purpose::kNegatives, 3, 5);
  std::vector<std::uint64_t> forwards;
  for (std::uint64_t i = 0; i < 100; ++i) forwards.push_back(stream.bits(i));
  const RandomStream again(7, Purpose::kNegatives, 3, 5);
  for (std::uint64_t i = 100; i-- > 0;) EXPECT_EQ(again.bits(i), forwards[i]);
}

// Neighbouring streams agree in half of their bits: 64,000 coin flips, five standard deviations.
TEST(RandomStream, NeighboursAreUncorrelated) {
  const RandomStream stream(1, Purpose::kInit, 0, 0);
  const std::array<RandomStream, 4> others = {
      RandomStream(2, Purpose::kInit, 0, 0), RandomStream(1, Purpose::kShuffle, 0, 0),
      RandomStream(1, Purpose::kInit, 1, 0), RandomStream(1, Purpose::kInit, 0, 1)};
  for (const RandomStream& other : others) {
    int equal = 0;
    for (std::uint64_t i = 0; i < 1000; ++i) equal += std::popcount(~(stream.bits(i) ^ other.bits(i)));
    EXPECT_NEAR(equal, 32000, 5 * std::sqrt(16000.0));
  }
}

TEST(RandomStream, BelowStaysBelow) {
  const RandomStream stream(3, Purpose::kSplit);
  for (const std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{1000},
                                    (std::uint64_t{1} << 32U) + 1, (std::uint64_t{1} << 63U) + 1, ~std::uint64_t{0}}) {
    std::uint64_t most = 0;
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const std::uint64_t value = stream.below(i, bound);
      EXPECT_LT(value, bound);
      most = std::max(most, value);
    }
    EXPECT_GE(most, (bound - 1) / 2) << "the upper half is never reached";
  }
}

// Chi-squared of 13 classes: 32.9 has p = 0.001. The numbers are fixed, so this cannot fail by chance.
TEST(RandomStream, BelowIsRoughlyUniform) {
  const RandomStream stream(4, Purpose::kSplit);
  constexpr std::uint64_t kDraws = 130000;
  std::array<double, 13> count{};
  for (std::uint64_t i = 0; i < kDraws; ++i) ++count.at(stream.below(i, count.size()));
  double chi_squared = 0;
  const double expected = static_cast<double>(kDraws) / static_cast<double>(count.size());
  for (const double c : count) chi_squared += (c - expected) * (c - expected) / expected;
  EXPECT_LT(chi_squared, 32.9);
}

TEST(RandomStream, UniformAndNormalHaveTheirMoments) {
  const RandomStream stream(5, Purpose::kInit);
  constexpr std::uint64_t kDraws = 50000;
  double uniform_sum = 0;
  double sum = 0;
  double squares = 0;
  double products = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double u = stream.uniform(i);
    EXPECT_GE(u, 0);
    EXPECT_LT(u, 1);
    uniform_sum += u;
    const auto [x, y] = stream.normals(i);
    EXPECT_TRUE(std::isfinite(x) && std::isfinite(y));
    sum += x + y;
    squares += x * x + y * y;
    products += x * y;
  }
  constexpr auto kCount = static_cast<double>(kDraws);
  EXPECT_NEAR(uniform_sum / kCount, 0.5, 5 / std::sqrt(12 * kCount));
  EXPECT_NEAR(sum / (2 * kCount), 0, 5 / std::sqrt(2 * kCount));
  EXPECT_NEAR(squares / (2 * kCount), 1, 5 * std::sqrt(2 / (2 * kCount)));
  EXPECT_NEAR(products / kCount, 0, 5 / std::sqrt(kCount));
}

TEST(Permutation, IsABijectionForEverySmallSize) {
  for (std::uint64_t size = 1; size <= 2000; ++size) {
    const Permutation permutation(size, RandomStream(size, Purpose::kShuffle));
    std::vector<bool> hit(size, false);
    std::uint64_t distinct = 0;
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t image = permutation(i);
      ASSERT_LT(image, size);
      if (!hit[image]) ++distinct;
      hit[image] = true;
    }
    ASSERT_EQ(distinct, size);
  }
}

TEST(Permutation, LargeSizesSpotChecked) {
  for (const std::uint64_t size : {(std::uint64_t{1} << 33U) - 7, (std::uint64_t{1} << 40U) + 12345,
                                   std::uint64_t{1} << 62U, (std::uint64_t{1} << 63U) + 1}) {
    const Permutation permutation(size, RandomStream(1, Purpose::kShuffle));
    std::set<std::uint64_t> images;
    for (std::uint64_t i = 0; i < 5000; ++i) images.insert(permutation(i));
    for (std::uint64_t i = 0; i < 5000; ++i) images.insert(permutation(size - 1 - i));
    EXPECT_EQ(images.size(), 10000U);
    EXPECT_LT(*images.rbegin(), size);
    EXPECT_LT(*images.begin(), size / 1000) << "images crowd together";
    EXPECT_GT(*images.rbegin(), size - size / 1000) << "images crowd together";
  }
}

TEST(Permutation, ManyAtATimeAreTheSame) {
  for (const std::uint64_t size : {1, 2, 5, 63, 1000, 4096, 5000, 16385, 65536, 70000}) {
    const Permutation permutation(size, RandomStream(size, Purpose::kShuffle));
    std::vector<std::uint32_t> tables(Permutation::table_words(size + 10));
    permutation.tabulate(tables);
    std::vector<std::uint32_t> all(size);
    const std::uint64_t middle = size / 3;
    permutation.fill(0, tables, std::span(all).first(middle));
    permutation.fill(middle, tables, std::span(all).subspan(middle));
    for (std::uint64_t i = 0; i < size; ++i) ASSERT_EQ(all[i], permutation(i)) << size;
  }
}

std::vector<std::uint32_t> grid_images(std::uint64_t size, const RandomStream& stream) {
  std::vector<std::uint32_t> tables(GridPermutation::table_words(size));
  const GridPermutation permutation(size, stream, tables);
  std::vector<std::uint32_t> images(size);
  permutation.fill(0, std::span(images).first(size / 3));
  permutation.fill(size / 3, std::span(images).subspan(size / 3));
  return images;
}

TEST(GridPermutation, IsABijectionForEverySmallSize) {
  for (std::uint64_t size = 1; size <= 2000; ++size) {
    std::vector<std::uint32_t> images = grid_images(size, RandomStream(size, Purpose::kShuffle));
    std::sort(images.begin(), images.end());
    for (std::uint32_t i = 0; i < size; ++i) ASSERT_EQ(images[i], i) << size;
  }
}

// In a random order, numbers that were neighbours are a third of the size apart on average, and a number is as far from
// its own place. The deviation of both means is about size^(1/2) / 4.
TEST(GridPermutation, LeavesNoTraceOfTheOrder) {
  constexpr std::uint64_t kSize = 100000;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto images = grid_images(kSize, RandomStream(seed, Purpose::kShuffle));
    double apart = 0;
    double moved = 0;
    std::uint64_t ascents = 0;
    for (std::uint64_t i = 1; i < kSize; ++i) {
      apart += std::abs(static_cast<double>(images[i]) - static_cast<double>(images[i - 1]));
      moved += std::abs(static_cast<double>(images[i]) - static_cast<double>(i));
      ascents += images[i] > images[i - 1] ? 1 : 0;
    }
    EXPECT_NEAR(apart / kSize / kSize, 1.0 / 3, 0.005);
    EXPECT_NEAR(moved / kSize / kSize, 1.0 / 3, 0.005);
    EXPECT_NEAR(static_cast<double>(ascents) / kSize, 0.5, 0.005);
  }
  EXPECT_NE(grid_images(kSize, RandomStream(0, Purpose::kShuffle)),
            grid_images(kSize, RandomStream(1, Purpose::kShuffle)));
}

TEST(Permutation, SeedEpochAndPartChangeIt) {
  constexpr std::uint64_t kSize = 1000;
  const auto image = [](const RandomStream& stream) {
    const Permutation permutation(kSize, stream);
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = 0; i < kSize; ++i) out.push_back(permutation(i));
    return out;
  };
  const auto first = image(RandomStream(1, Purpose::kShuffle, 0, 0));
  EXPECT_EQ(image(RandomStream(1, Purpose::kShuffle, 0, 0)), first);
  for (const RandomStream& other :
       {RandomStream(2, Purpose::kShuffle, 0, 0), RandomStream(1, Purpose::kPartition, 0, 0),
        RandomStream(1, Purpose::kShuffle, 1, 0), RandomStream(1, Purpose::kShuffle, 0, 1)}) {
    const auto second = image(other);
    int fixed = 0;
    for (std::uint64_t i = 0; i < kSize; ++i) fixed += first[i] == second[i] ? 1 : 0;
    EXPECT_LT(fixed, 10) << "two random permutations agree in about one place";
  }
}

// Every element is as likely at every place: chi-squared of 7 x 7 with 36 degrees of freedom, p = 0.001 at 67.99.
TEST(Permutation, PlacesAreUniformOverSeeds) {
  constexpr std::uint64_t kSize = 7;
  constexpr std::uint64_t kSeeds = 7000;
  std::array<std::array<double, kSize>, kSize> count{};
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Permutation permutation(kSize, RandomStream(seed, Purpose::kShuffle));
    for (std::uint64_t i = 0; i < kSize; ++i) ++count.at(i).at(permutation(i));
  }
  double chi_squared = 0;
  constexpr double kExpected = static_cast<double>(kSeeds) / kSize;
  for (const auto& row : count)
    for (const double c : row) chi_squared += (c - kExpected) * (c - kExpected) / kExpected;
  EXPECT_LT(chi_squared, 67.99);
}

}  // namespace
}  // namespace tessera
