// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/attributes.hpp"
#include "partition/import/external_sort.hpp"
#include "partition/import/names.hpp"
#include "partition/import/triples.hpp"

#include "import_fixture.hpp"

#include <sys/resource.h>

#include <csignal>
#include <numeric>
#include <random>
#include <set>

namespace tessera::partition {
namespace {

SortSettings settings(std::uint64_t memory_bytes) { return {std::filesystem::temp_directory_path(), memory_bytes}; }

TripleKey random_key(std::mt19937_64& random) {
  return {(static_cast<TripleKey::Integer>(random() % 5) << 100U) | (static_cast<TripleKey::Integer>(random()) << 30U) |
          (random() % 1000)};
}

TEST(ExternalSorter, SortsWithAnyNumberOfRuns) {
  std::mt19937_64 random(1);
  for (const std::size_t count : {0, 1, 2, 1023, 1024, 1025, 5000, 100'000}) {
    ExternalSorter<TripleKey> sorter(std::filesystem::temp_directory_path(), 1);  // runs of 1,024 records
    std::vector<TripleKey> expected;
    for (std::size_t i = 0; i < count; ++i) {
      expected.push_back(random_key(random));
      sorter.add(expected.back());
    }
    std::sort(expected.begin(), expected.end());
    std::vector<TripleKey> sorted;
    sorter.finish([&](TripleKey key) { sorted.push_back(key); });
    EXPECT_TRUE(sorted == expected) << count;
  }
}

TEST(ExternalSorter, RadixSortIsASort) {
  std::mt19937_64 random(2);
  for (const std::size_t count : {4096, 10'000}) {
    std::vector<TripleKey> keys(count);
    for (TripleKey& key : keys) key = random_key(random);
    keys.back() = {~TripleKey::Integer{0}};
    std::vector<TripleKey> expected = keys;
    std::vector<TripleKey> scratch;
    std::sort(expected.begin(), expected.end());
    sort_records(keys, scratch);
    EXPECT_TRUE(keys == expected);
    sort_records(keys, scratch);
    EXPECT_TRUE(keys == expected) << "sorted already";
    std::fill(keys.begin(), keys.end(), TripleKey{7});
    sort_records(keys, scratch);
    EXPECT_TRUE(keys == std::vector<TripleKey>(count, TripleKey{7})) << "all the same";
  }
}

TEST(KeyLayout, PacksAndUnpacks) {
  for (const KeyLayout layout :
       {KeyLayout{}, KeyLayout::for_counts(1, 1), KeyLayout::for_counts(0, 0), KeyLayout::for_counts(1000, 7)}) {
    const std::uint64_t most = (std::uint64_t{1} << layout.entity_bits) - 1;
    for (const std::uint64_t head : {std::uint64_t{0}, most})
      for (const std::uint64_t tail : {std::uint64_t{0}, most}) {
        const TripleKey key = layout.pack(head, 1, tail);
        EXPECT_EQ(layout.unpack(key), (Triple{EntityId(head), RelationId(1), EntityId(tail)}));
      }
  }
  EXPECT_EQ(KeyLayout::for_counts(1024, 1025).entity_bits, 10U);
  EXPECT_EQ(KeyLayout::for_counts(1024, 1025).relation_bits, 11U);
  const KeyLayout layout;
  EXPECT_LT(layout.pack(9, 1, 9), layout.pack(0, 2, 0)) << "the relation comes first";
  EXPECT_LT(layout.pack(1, 1, 9), layout.pack(2, 1, 0)) << "then the head";
}

TEST(SortTriples, DropsAndCountsRepeats) {
  std::mt19937_64 random(3);
  constexpr std::uint64_t kEntities = 50;
  std::vector<std::uint64_t> entity_ranks(kEntities);
  std::iota(entity_ranks.rbegin(), entity_ranks.rend(), 0);
  const std::vector<std::uint64_t> relation_ranks = {2, 0, 1};
  RankTable entity_table(entity_ranks);
  const IdMaps maps{entity_table, relation_ranks, KeyLayout::for_counts(kEntities, 3)};
  for (const std::uint64_t memory : {1ULL, 1ULL << 20U}) {
    KeyFile spilled(std::filesystem::temp_directory_path(), KeyLayout{});
    std::set<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>> expected;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const std::uint64_t head = random() % kEntities;
      const std::uint64_t relation = random() % 3;
      const std::uint64_t tail = random() % kEntities;
      spilled.add(KeyLayout{}.pack(head, relation, tail));
      expected.emplace(relation_ranks[relation], entity_ranks[head], entity_ranks[tail]);
    }
    spilled.finish();
    std::uint64_t duplicates = 0;
    const SplitTriples sorted = sort_triples(spilled, maps, settings(memory), duplicates);
    EXPECT_EQ(sorted.size(), expected.size());
    EXPECT_EQ(duplicates, 20'000 - expected.size());
    auto at = expected.begin();
    sorted.for_each_block([&](std::span<const Triple> block) {
      for (const Triple& t : block) EXPECT_EQ(std::tuple(t.relation.value(), t.head.value(), t.tail.value()), *at++);
    });
    EXPECT_EQ(at, expected.end());
  }
}

TEST(CountCommon, IsTheSizeOfTheIntersection) {
  const auto make = [](std::uint64_t step, std::uint64_t count) {
    KeyFile file(std::filesystem::temp_directory_path(), KeyLayout{});
    for (std::uint64_t i = 0; i < count; ++i) file.add(KeyLayout{}.pack(i * step, 0, 0));
    return SplitTriples(std::move(file));
  };
  EXPECT_EQ(count_common(make(2, 100'000), make(3, 100'000)), 33'334U);
  EXPECT_EQ(count_common(make(3, 100'000), make(2, 100'000)), 33'334U);
  EXPECT_EQ(count_common(make(1, 0), make(1, 10)), 0U);
  EXPECT_EQ(count_common(make(1, 10), make(1, 0)), 0U);
  EXPECT_EQ(count_common(make(1, 10), make(1, 100'000)), 10U);
}

TEST(SortAttributes, ByAttributeEntityAndValue) {
  std::mt19937_64 random(4);
  const std::vector<std::uint64_t> entity_ranks = {3, kNoRank, 1, 0, 2};
  RankTable entity_table(entity_ranks);
  const std::vector<std::uint64_t> ranks = {1, 0};
  using Row = std::tuple<std::uint32_t, std::uint64_t, std::string, std::uint32_t>;
  for (const std::uint64_t memory : {1ULL, 4096ULL, 1ULL << 20U}) {
    AttributeFile spilled(std::filesystem::temp_directory_path());
    std::set<Row> expected;
    std::uint64_t kept = 0;
    for (std::uint64_t i = 0; i < 3000; ++i) {
      const std::uint64_t entity = random() % entity_ranks.size();
      const auto attribute = static_cast<std::uint32_t>(random() % 2);
      const auto datatype = static_cast<std::uint32_t>(random() % 2);
      const std::string value(random() % 5 == 0 ? random() % 3000 : random() % 3, static_cast<char>(random() % 3));
      spilled.add({entity, attribute, datatype, value});
      if (entity_ranks[entity] == kNoRank) continue;
      ++kept;
      expected.emplace(ranks[attribute], entity_ranks[entity], value, ranks[datatype]);
    }
    spilled.finish();
    AttributeCounts counts;
    const AttributeFile sorted = sort_attributes(spilled, {entity_table, ranks, ranks}, settings(memory), counts);
    EXPECT_EQ(counts.without_entity, 3000 - kept);
    EXPECT_EQ(counts.duplicates, kept - expected.size());
    auto at = expected.begin();
    AttributeFile::Reader reader(sorted);
    for (AttributeRow row; reader.next(row); ++at) {
      ASSERT_NE(at, expected.end());
      ASSERT_EQ(Row(row.attribute, row.entity, std::string(row.value), row.datatype), *at);
    }
    EXPECT_EQ(at, expected.end());
  }
}

// A file-size limit makes writes fail as a full disk does.
TEST(TempFile, FailedWritesAndFoldersAreIoErrors) {
  test::expect_error(ExitStatus::kIo, {"/does/not/exist", "temporary file"}, [] { TempFile("/does/not/exist"); });
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 1U << 20U;
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  TempFile file(std::filesystem::temp_directory_path());
  const std::vector<std::byte> block(1U << 19U);
  test::expect_error(ExitStatus::kIo, {"cannot write temporary data"}, [&] {
    for (int i = 0; i < 8; ++i) file.append(block);
    file.flush();
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
}

TEST(TempFile, LeavesNoNameBehind) {
  const test::TempFolder folder;
  TempFile file(folder.path());
  file.append(std::as_bytes(std::span("text", 4)));
  file.flush();
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  std::array<std::byte, 4> back{};
  file.read_at(0, back);
  EXPECT_EQ(back[3], std::byte{'t'});
  test::expect_error(ExitStatus::kIo, {"shorter"}, [&] { file.read_at(1, back); });
}

}  // namespace
}  // namespace tessera::partition
