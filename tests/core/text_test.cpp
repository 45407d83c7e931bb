// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"

#include "core/error.hpp"
#include "core/random.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace tessera {
namespace {

TEST(Text, Thousands) {
  EXPECT_EQ(text::with_thousands(0), "0");
  EXPECT_EQ(text::with_thousands(999), "999");
  EXPECT_EQ(text::with_thousands(1000), "1,000");
  EXPECT_EQ(text::with_thousands(123456), "123,456");
  EXPECT_EQ(text::with_thousands(1234567), "1,234,567");
  EXPECT_EQ(text::with_thousands(std::numeric_limits<std::uint64_t>::max()), "18,446,744,073,709,551,615");
}

TEST(Text, Bytes) {
  const std::vector<std::pair<std::uint64_t, std::string>> cases = {
      {0, "0 B"},
      {1, "1 B"},
      {1023, "1023 B"},
      {1024, "1.0 KiB"},
      {1536, "1.5 KiB"},
      {1023 * 1024, "1023.0 KiB"},
      {1048576, "1.0 MiB"},
      {std::uint64_t{5} << 29U, "2.5 GiB"},
      {std::uint64_t{3} << 40U, "3.0 TiB"},
      {std::uint64_t{2048} << 40U, "2048.0 TiB"},
  };
  for (const auto& [value, expected] : cases) EXPECT_EQ(text::bytes(value), expected) << value;
}

TEST(Text, BytesNeverShowsThousandAndTwentyFourOfAUnit) {
  EXPECT_EQ(text::bytes(1048575), "1.0 MiB");
  EXPECT_EQ(text::bytes((std::uint64_t{1} << 30U) - 1), "1.0 GiB");
  EXPECT_EQ(text::bytes((std::uint64_t{1} << 40U) - 1), "1.0 TiB");
}

TEST(Text, ParseBytes) {
  const std::vector<std::pair<std::string, std::uint64_t>> cases = {
      {"1", 1},
      {"1000000", 1000000},
      {"512MiB", std::uint64_t{512} << 20U},
      {"4 GiB", std::uint64_t{4} << 30U},
      {"1.5KiB", 1536},
      {"0.5 GiB", std::uint64_t{1} << 29U},
      {"2TiB", std::uint64_t{2} << 40U},
      {"3KB", 3000},
      {"3MB", 3000000},
      {"3GB", 3000000000},
      {"64 B", 64},
      {"1e3", 1000},
  };
  for (const auto& [value, expected] : cases) EXPECT_EQ(text::parse_bytes(value, "run.memory"), expected) << value;
}

TEST(Text, ParseBytesRefusesWhatIsNoSize) {
  for (const char* value : {"", " ", "GiB", "-1GiB", "0", "0GiB", "0.5", "0.9 B", "nan", "inf", "1e40", "9e18 KiB",
                            "4Gib", "4 GiB of memory", "0x10", "four", "4,5 GiB", "--4", "4G"})
    test::expect_error(ExitStatus::kUsage, {"run.memory", "is not a size", value, "\"4GiB\""},
                       [&] { text::parse_bytes(value, "run.memory"); });
}

TEST(Text, ParseDuration) {
  const std::vector<std::pair<const char*, double>> cases = {
      {"0", 0}, {"0s", 0}, {"90s", 90}, {"10min", 600}, {"2 h", 7200}, {"0.5min", 30}, {"1e-3s", 1e-3}};
  for (const auto& [value, expected] : cases) EXPECT_EQ(text::parse_duration(value, "checkpoint.every"), expected);
  for (const char* value : {"", "s", "10", "-1s", "nan s", "inf h", "1e12s", "10m", "ten min", "10min 5s"})
    test::expect_error(ExitStatus::kUsage, {"checkpoint.every", "is not a duration", value, "\"10min\""},
                       [&] { text::parse_duration(value, "checkpoint.every"); });
}

TEST(Text, WhatBytesWritesCanBeParsed) {
  for (const std::uint64_t value :
       {std::uint64_t{1}, std::uint64_t{1023}, std::uint64_t{1} << 20U, std::uint64_t{7} << 33U})
    EXPECT_EQ(text::parse_bytes(text::bytes(value), "x"), value);
}

TEST(Text, Duration) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0, "0.0 s"},
      {0.84, "0.8 s"},
      {59.94, "59.9 s"},
      {59.96, "1 min 00 s"},
      {60, "1 min 00 s"},
      {192, "3 min 12 s"},
      {3599.4, "59 min 59 s"},
      {3599.6, "1 h 00 min"},
      {7500, "2 h 05 min"},
      {7559.9, "2 h 06 min"},
      {360000, "100 h 00 min"},
      {-1, "?"},
      {1e10, "?"},
      {std::numeric_limits<double>::quiet_NaN(), "?"},
      {std::numeric_limits<double>::infinity(), "?"},
  };
  for (const auto& [seconds, expected] : cases) EXPECT_EQ(text::duration(seconds), expected) << seconds;
}

// Optimal string alignment by its recursive definition.
std::size_t distance_by_definition(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return std::max(a.size(), b.size());
  const auto shorter = [](std::string_view s, std::size_t n) { return s.substr(0, s.size() - n); };
  std::size_t best = distance_by_definition(shorter(a, 1), shorter(b, 1)) + (a.back() == b.back() ? 0 : 1);
  best = std::min(best, distance_by_definition(shorter(a, 1), b) + 1);
  best = std::min(best, distance_by_definition(a, shorter(b, 1)) + 1);
  if (a.size() > 1 && b.size() > 1 && a.back() == b[b.size() - 2] && b.back() == a[a.size() - 2])
    best = std::min(best, distance_by_definition(shorter(a, 2), shorter(b, 2)) + 1);
  return best;
}

TEST(Text, EditDistanceMatchesItsDefinition) {
  const RandomStream stream(1, Purpose::kSplit);
  std::uint64_t next = 0;
  for (int i = 0; i < 400; ++i) {
    std::string a(stream.below(next++, 6), '\0');
    std::string b(stream.below(next++, 6), '\0');
    for (char& c : a) c = static_cast<char>('a' + stream.below(next++, 3));
    for (char& c : b) c = static_cast<char>('a' + stream.below(next++, 3));
    const std::size_t expected = distance_by_definition(a, b);
    EXPECT_EQ(text::edit_distance(a, b), expected) << a << " " << b;
    EXPECT_EQ(text::edit_distance(b, a), expected) << b << " " << a;
  }
  EXPECT_EQ(text::edit_distance("", ""), 0U);
  EXPECT_EQ(text::edit_distance("model.dim", "model.dmi"), 1U);
  EXPECT_EQ(text::edit_distance("ca", "abc"), 3U);  // the restricted distance: no edits inside a swapped pair
  EXPECT_EQ(text::edit_distance("kitten", "sitting"), 3U);
}

TEST(Text, Nearest) {
  const std::vector<std::string> keys = {"model.dim", "model.name", "train.epochs", "data.graph"};
  EXPECT_EQ(text::nearest("model.dmi", keys), "model.dim");
  EXPECT_EQ(text::nearest("model.dim", keys), "model.dim");
  EXPECT_EQ(text::nearest("modle.nmae", keys), "model.name");
  EXPECT_EQ(text::nearest("dta.grph", keys), "data.graph");
  EXPECT_EQ(text::nearest("something.else", keys), "");
  EXPECT_EQ(text::nearest("x", keys), "");
  EXPECT_EQ(text::nearest("", keys), "");
  EXPECT_EQ(text::nearest("model.dim", {}), "");
  EXPECT_EQ(text::nearest("ab", {"aa", "bb"}), "aa") << "the first of equally near ones";
}

std::string encoded(std::uint32_t point) {
  const auto tail = [&](unsigned shift) { return static_cast<char>(0x80U | ((point >> shift) & 0x3FU)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xC0U | (point >> 6U)), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0U | (point >> 12U)), tail(6), tail(0)};
  return {static_cast<char>(0xF0U | (point >> 18U)), tail(12), tail(6), tail(0)};
}

TEST(Utf8, EveryScalarValueIsWellFormed) {
  EXPECT_TRUE(text::is_utf8(""));
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    if (text::is_utf8(encoded(point)) == surrogate) ADD_FAILURE() << "U+" << std::hex << point;
  }
  EXPECT_FALSE(text::is_utf8(encoded(0x110000)));
}

// Together with the test above: as many strings pass as there are scalar values, so no others do.
TEST(Utf8, NothingElseIsWellFormed) {
  const auto byte = [](unsigned value) { return static_cast<char>(value); };
  int one = 0;
  int two = 0;
  int three = 0;
  int four = 0;
  for (unsigned a = 0x80; a < 0x100; ++a) {
    one += text::is_utf8(std::string{byte(a)}) ? 1 : 0;
    for (unsigned b = 0; b < 0x100; ++b) {
      two += text::is_utf8(std::string{byte(a), byte(b)}) ? 1 : 0;
      if (a < 0xE0) continue;
      for (unsigned c = 0; c < 0x100; ++c) {
        three += text::is_utf8(std::string{byte(a), byte(b), byte(c)}) ? 1 : 0;
        if (a < 0xF0) continue;
        for (const unsigned d : {0x00U, 0x7FU, 0x80U, 0xBFU, 0xC0U, 0xFFU})
          four += text::is_utf8(std::string{byte(a), byte(b), byte(c), byte(d)}) ? 1 : 0;
      }
    }
  }
  EXPECT_EQ(one, 0);
  EXPECT_EQ(two, 0x800 - 0x80);
  EXPECT_EQ(three, 0x10000 - 0x800 - 0x800);
  EXPECT_EQ(four, 0x100000 / 64 * 2);
}

TEST(Utf8, OtherBytesAreEscaped) {
  EXPECT_EQ(text::escaped("na\xc3\xafve \\ \n"), "na\xc3\xafve \\ \n");
  EXPECT_EQ(text::escaped("na\xefve\xff"), "na\\xefve\\xff");
  EXPECT_EQ(text::escaped("\xc3"), "\\xc3");
  EXPECT_EQ(text::escaped(""), "");
}

TEST(Utf8, PlaceInTheStringDoesNotMatter) {
  EXPECT_TRUE(text::is_utf8("caf\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x98\x80"));
  EXPECT_FALSE(text::is_utf8("caf\xE9"));
  EXPECT_FALSE(text::is_utf8("\xC3"));
  EXPECT_FALSE(text::is_utf8("ok \xE6\x97"));
  EXPECT_FALSE(text::is_utf8("\xF0\x9F\x98 x"));
  EXPECT_FALSE(text::is_utf8("\xC0\x80 overlong"));
  EXPECT_FALSE(text::is_utf8("\xFE"));
}

TEST(TextTest, WidthCountsCharacters) {
  EXPECT_EQ(text::width(""), 0U);
  EXPECT_EQ(text::width("dog"), 3U);
  EXPECT_EQ(text::width("Stra\xC3\x9F"
                        "e"),
            6U);
}

TEST(TextTest, FieldsHoldNoTabsAndEndsOfLines) {
  EXPECT_EQ(text::tsv_field("plain"), "plain");
  EXPECT_EQ(text::tsv_field("a\tb\nc\rd\\e"), "a\\tb\\nc\\rd\\\\e");
}

}  // namespace
}  // namespace tessera
