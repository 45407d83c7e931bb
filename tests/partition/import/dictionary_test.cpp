// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/dictionary.hpp"

#include "partition/import/names.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace tessera::partition {
namespace {

// Names with long common prefixes, names that are prefixes of others, every length and high bytes.
std::vector<std::string> awkward_names(std::size_t count) {
  std::mt19937_64 random(7);
  std::vector<std::string> names = {"",
                                    "a",
                                    "aa",
                                    "aaaaaaa",
                                    "aaaaaaaa",
                                    "aaaaaaaaa",
                                    std::string(Dictionary::kLongestName, 'z'),
                                    std::string(Dictionary::kLongestName - 1, 'z'),
                                    std::string(511, 'z'),
                                    std::string(512, 'z'),
                                    std::string(513, 'z'),
                                    std::string(600, 'z') + "a"};
  while (names.size() < count) {
    std::string name = random() % 2 == 0 ? "http://www.example.org/entity/" : "";
    for (std::uint64_t length = random() % 30; length > 0; --length)
      name.push_back(static_cast<char>(random() % 3 == 0 ? 1 + random() % 255 : 'a' + random() % 2));
    names.push_back(name);
  }
  return names;
}

TEST(Dictionary, NumbersNamesInOrderOfAppearance) {
  Dictionary dictionary;
  std::map<std::string, std::uint64_t> expected;
  const std::vector<std::string> names = awkward_names(200'000);
  for (const std::string& name : names) {
    const auto [at, fresh] = expected.emplace(name, expected.size());
    ASSERT_EQ(dictionary.intern(name), at->second);
  }
  ASSERT_EQ(dictionary.size(), expected.size());
  for (const auto& [name, number] : expected) ASSERT_EQ(dictionary.name(number), name);
}

TEST(Dictionary, HashesThatCollide) {
  Dictionary dictionary;
  // Fewer than make the table grow, which hashes again.
  for (std::uint64_t i = 0; i < 600; ++i) ASSERT_EQ(dictionary.intern(std::to_string(i), 42), i);
  for (std::uint64_t i = 0; i < 600; ++i) ASSERT_EQ(dictionary.intern(std::to_string(i), 42), i);
}

TEST(Dictionary, PrefetchingIsHarmlessAtAnyTime) {
  Dictionary dictionary;
  for (const std::string& name : awkward_names(3000)) {
    const std::uint64_t hash = Dictionary::hash(name);
    dictionary.prefetch_slot(hash);
    dictionary.prefetch_record(hash);
    dictionary.intern(name, hash);
  }
}

TEST(SortedNames, RanksAreByteOrder) {
  Dictionary dictionary;
  std::vector<std::string> expected;
  for (const std::string& name : awkward_names(50'000))
    if (dictionary.intern(name) == expected.size()) expected.push_back(name);
  std::sort(expected.begin(), expected.end());
  std::vector<std::uint64_t> ranks;
  const SortedNames sorted = sort_names(dictionary, nullptr, ranks);
  ASSERT_EQ(sorted.size(), expected.size());
  for (std::uint64_t rank = 0; rank < expected.size(); ++rank) ASSERT_EQ(sorted[rank], expected[rank]);
  for (std::uint64_t number = 0; number < dictionary.size(); ++number)
    ASSERT_EQ(sorted[ranks[number]], dictionary.name(number));
}

TEST(SortedNames, OnlyWhatIsKept) {
  Dictionary dictionary;
  for (const char* name : {"d", "a", "c", "b"}) dictionary.intern(name);
  const std::vector<bool> keep = {true, false, true, true};
  std::vector<std::uint64_t> ranks;
  const SortedNames sorted = sort_names(dictionary, &keep, ranks);
  EXPECT_EQ(sorted.text(), "bcd");
  EXPECT_EQ(ranks, (std::vector<std::uint64_t>{2, kNoRank, 1, 0}));
  EXPECT_EQ(sort_names(Dictionary(), nullptr, ranks).size(), 0U);
}

}  // namespace
}  // namespace tessera::partition
