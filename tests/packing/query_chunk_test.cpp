// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/query_chunk.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <tuple>
#include <utility>

#include <gtest/gtest.h>

namespace tessera::packing {
namespace {

/// What the queries of a chunk look like.
struct Shape {
  const char* name;
  std::uint32_t sources;  ///< ids below
  std::uint32_t targets;
  std::uint32_t target_step;  ///< targets are multiples of it
};

struct Chunk {
  std::vector<std::uint32_t> sources;
  std::vector<std::uint32_t> targets;
  std::vector<std::uint8_t> bytes;  // with the padding

  Chunk(const Shape& shape, std::size_t most, std::mt19937& random) {
    std::set<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (std::size_t i = 0; i < most; ++i)
      pairs.emplace(static_cast<std::uint32_t>(random()) % shape.sources,
                    static_cast<std::uint32_t>(random()) % shape.targets * shape.target_step);
    for (const auto& [source, target] : pairs) {
      sources.push_back(source);
      targets.push_back(target);
    }
    encode_chunk(sources, targets, bytes);
    bytes.resize(bytes.size() + kPadding);
  }
  [[nodiscard]] std::span<const std::uint8_t> packed() const { return std::span(bytes).first(bytes.size() - kPadding); }
};

constexpr Shape kShapes[] = {
    {"sparse", 1000000, 1000000, 1},
    {"one source", 1, 100000, 1},
    {"one target", 100000, 1, 1},
    {"few sources", 12, 3000, 1},
    {"few targets", 5000, 9, 101},
    {"dense", 40, 40, 1},
    {"wide ids", 4000000000U, 4000000000U, 1},
    {"spread dictionary", 300, 20, 200000000},
};
constexpr ChunkBounds kAny{1ULL << 32U, 1ULL << 32U};

class QueryChunk : public testing::TestWithParam<std::tuple<Shape, std::size_t>> {
 protected:
  std::mt19937 random_{11};
  Chunk chunk_{std::get<0>(GetParam()), std::get<1>(GetParam()), random_};
  std::unique_ptr<ChunkReader> reader_ = std::make_unique<ChunkReader>();
};

TEST_P(QueryChunk, ComesBackAsItWas) {
  ASSERT_TRUE(reader_->read(chunk_.packed(), chunk_.sources.front(), kAny));
  EXPECT_TRUE(std::ranges::equal(reader_->sources(), chunk_.sources));
  EXPECT_TRUE(std::ranges::equal(reader_->targets(), chunk_.targets));
  const auto counts = ChunkReader::counts(chunk_.packed());
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->queries, chunk_.sources.size());
  EXPECT_EQ(counts->lists, std::set<std::uint32_t>(chunk_.sources.begin(), chunk_.sources.end()).size());
}

TEST_P(QueryChunk, TheTargetsOfASourceAreFound) {
  const std::uint32_t first = chunk_.sources.front();
  for (std::size_t i = 0; i < chunk_.sources.size(); ++i) {
    const std::uint32_t source = chunk_.sources[i];
    const auto [low, high] = std::ranges::equal_range(chunk_.sources, source);
    ASSERT_TRUE(reader_->find(chunk_.packed(), first, source, kAny));
    EXPECT_TRUE(std::ranges::equal(
        reader_->targets(),
        std::span(chunk_.targets)
            .subspan(static_cast<std::size_t>(low - chunk_.sources.begin()), static_cast<std::size_t>(high - low))));
    if (std::ranges::binary_search(chunk_.sources, source + 1)) continue;
    ASSERT_TRUE(reader_->find(chunk_.packed(), first, source + 1, kAny));
    EXPECT_TRUE(reader_->targets().empty());
  }
}

TEST_P(QueryChunk, BoundsAreKept) {
  const std::uint32_t first = chunk_.sources.front();
  const std::uint32_t last_source = chunk_.sources.back();
  const std::uint32_t last_target = *std::ranges::max_element(chunk_.targets);
  EXPECT_TRUE(reader_->read(chunk_.packed(), first, {last_source + 1ULL, last_target + 1ULL}));
  EXPECT_FALSE(reader_->read(chunk_.packed(), first, {last_source, last_target + 1ULL}));
  EXPECT_FALSE(reader_->read(chunk_.packed(), first, {last_source + 1ULL, last_target}));
}

// Whatever the bytes are, ids stay within the bounds and queries strictly ascend; run with the sanitizers, too.
TEST_P(QueryChunk, DamagedBytesAreRefusedOrInOrder) {
  const ChunkBounds bounds{chunk_.sources.back() + 1ULL, *std::ranges::max_element(chunk_.targets) + 1ULL};
  for (int trial = 0; trial < 3000; ++trial) {
    std::vector<std::uint8_t> bytes = chunk_.bytes;
    std::size_t size = bytes.size() - kPadding;
    const std::size_t near = trial % 2 == 0 ? std::min<std::size_t>(size, 16) : size;
    for (unsigned k = 0; k <= random_() % 3; ++k)
      bytes[random_() % near] ^= static_cast<std::uint8_t>(1U << random_() % 8);
    if (trial % 5 == 0) size = random_() % (size + 1);
    bytes.resize(size + kPadding);
    if (reader_->read(std::span(bytes).first(size), chunk_.sources.front(), bounds)) {
      const auto sources = reader_->sources();
      const auto targets = reader_->targets();
      for (std::size_t i = 0; i < sources.size(); ++i) {
        ASSERT_LT(sources[i], bounds.sources);
        ASSERT_LT(targets[i], bounds.targets);
        const std::size_t before = i == 0 ? 0 : i - 1;
        ASSERT_EQ(i > 0, std::pair(sources[before], targets[before]) < std::pair(sources[i], targets[i]));
      }
    }
    if (!reader_->find(std::span(bytes).first(size), chunk_.sources.front(), chunk_.sources.back(), bounds)) continue;
    for (const std::uint32_t target : reader_->targets()) ASSERT_LT(target, bounds.targets);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, QueryChunk,
                         testing::Combine(testing::ValuesIn(kShapes), testing::Values(1, 2, 9, 500, 1024)),
                         [](const auto& shape) {
                           std::string name = std::get<0>(shape.param).name;
                           std::ranges::replace(name, ' ', '_');
                           return name + "_" + std::to_string(std::get<1>(shape.param));
                         });

}  // namespace
}  // namespace tessera::packing
