// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// A chunk of packed queries. Its first source is that of the seeds.
#include "fuzz_target.hpp"
#include "packing/query_chunk.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <utility>

namespace {

using tessera::fuzz::require;
using tessera::packing::ChunkBounds;
using tessera::packing::ChunkReader;

constexpr std::uint32_t kFirst = 3;
constexpr ChunkBounds kBounds{5000, 100000};

/// Whatever is read is within the bounds and strictly ascends.
void check(const ChunkReader& reader) {
  const auto sources = reader.sources();
  const auto targets = reader.targets();
  require(sources.size() == targets.size() && sources.size() <= tessera::packing::kChunkQueries);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    require(sources[i] < kBounds.sources && targets[i] < kBounds.targets);
    require(i == 0 || std::pair(sources[i - 1], targets[i - 1]) < std::pair(sources[i], targets[i]));
  }
}

/// A chunk of up to `count` random queries.
std::string seed_of(std::size_t count, std::uint32_t sources, std::uint32_t targets, std::uint32_t step) {
  std::mt19937 random(static_cast<std::uint32_t>(count));
  std::set<std::pair<std::uint32_t, std::uint32_t>> queries = {{kFirst, 0}};
  while (queries.size() < count)
    queries.emplace(kFirst + static_cast<std::uint32_t>(random()) % sources,
                    static_cast<std::uint32_t>(random()) % targets * step);
  std::vector<std::uint32_t> source_column;
  std::vector<std::uint32_t> target_column;
  for (const auto& [source, target] : queries) {
    source_column.push_back(source);
    target_column.push_back(target);
  }
  std::vector<std::uint8_t> bytes;
  tessera::packing::encode_chunk(source_column, target_column, bytes);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto reader = std::make_unique<ChunkReader>();
  static const auto other = std::make_unique<ChunkReader>();
  std::vector<std::uint8_t> bytes(data, data + size);
  bytes.resize(size + tessera::packing::kPadding);
  const std::span<const std::uint8_t> chunk(bytes.data(), size);
  const bool is_sound = reader->read(chunk, kFirst, kBounds);
  if (is_sound) check(*reader);
  for (const std::uint32_t source : {kFirst, kFirst + 1, kFirst + 40, 4999U}) {
    if (!other->find(chunk, kFirst, source, kBounds)) continue;
    for (const std::uint32_t target : other->targets()) require(target < kBounds.targets);
    if (!is_sound) continue;
    const auto [first, last] = std::ranges::equal_range(reader->sources(), source);
    require(std::ranges::equal(other->targets(),
                               reader->targets().subspan(static_cast<std::size_t>(first - reader->sources().begin()),
                                                         static_cast<std::size_t>(last - first))));
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {seed_of(1, 1, 1, 1),       seed_of(9, 5, 50, 1),       seed_of(300, 4000, 90000, 1),
          seed_of(800, 30, 2000, 7), seed_of(900, 2000, 9, 999), seed_of(1024, 1, 90000, 1)};
}
