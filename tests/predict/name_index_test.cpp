// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/name_index.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera::predict::detail {
namespace {

NameIndex index_of(const std::vector<std::string>& sorted) {
  return NameIndex(storage::StringBlocks(
      storage::PackedStrings::encode(sorted.size(), [&](std::uint64_t i) { return std::string_view(sorted[i]); })));
}

TEST(NameIndexTest, FindsEveryNameAndNothingElse) {
  std::vector<std::string> names;
  for (int i = 0; i < 3000; ++i) names.push_back(fmt::format("name{:05}", 2 * i));
  const NameIndex index = index_of(names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(index.find(names[i]), i);
    EXPECT_EQ(index.name(i), names[i]);
    EXPECT_FALSE(index.find(fmt::format("name{:05}", 2 * i + 1)).has_value());
  }
  EXPECT_FALSE(index.find("").has_value());
  EXPECT_FALSE(index.find("zebra").has_value());
  EXPECT_FALSE(index_of({}).find("a").has_value());
}

TEST(NameIndexTest, SuggestsLongerNamesThenNearOnes) {
  const NameIndex index = index_of({"cat.n.01", "dog", "dog.n.01", "dog.n.03", "dot.n.01", "elephant.n.01"});
  EXPECT_EQ(index.suggestions("dog.n", 3), (std::vector<std::string>{"dog.n.01", "dog.n.03", "dog"}));
  EXPECT_EQ(index.suggestions("elefant.n.01", 1), (std::vector<std::string>{"elephant.n.01"}));
  EXPECT_TRUE(index.suggestions("something else entirely", 3).empty());
}

}  // namespace
}  // namespace tessera::predict::detail
