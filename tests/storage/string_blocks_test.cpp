// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/string_blocks.hpp"

#include "core/error.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "storage/hdf5.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace tessera {
namespace {

using storage::FileReader;
using storage::FileWriter;
using storage::StringBlocks;

StringBlocks encode(const std::vector<std::string>& strings) {
  return StringBlocks::encode(strings.size(), [&](std::uint64_t i) { return std::string_view(strings[i]); });
}

/// Distinct random strings in byte order; many share prefixes, some are empty, long, or any bytes.
std::vector<std::string> random_strings(std::size_t count) {
  const RandomStream stream(count, Purpose::kSplit);
  const std::vector<std::string> stems = {
      "http://example.org/resource/", "été/", "日本語/", "\xF0\x9F\x98\x80", "", "a"};
  std::set<std::string> strings;
  if (count > 0) strings.insert("");
  if (count > 1) strings.insert(std::string(5000, 'z') + "end");
  if (count > 2) strings.insert(std::string("nul\0inside", 10));
  if (count > 3) strings.insert("\xFF\xFE");
  for (std::uint64_t i = 0; strings.size() < count; ++i)
    strings.insert(stems[stream.below(2 * i, stems.size())] + std::to_string(stream.below(2 * i + 1, 10 * count)));
  return {strings.begin(), strings.end()};  // std::string compares bytes as unsigned
}

class StringBlocksOf : public testing::TestWithParam<std::size_t> {
 protected:
  [[nodiscard]] std::filesystem::path file() const { return temporary_.path() / "names.h5"; }

 private:
  test::TemporaryFolder temporary_;
};

TEST_P(StringBlocksOf, RoundTrip) {
  const auto strings = random_strings(GetParam());
  FileWriter writer(file(), "test", 1);
  encode(strings).write(writer, "/names", "names");
  writer.close();
  const StringBlocks blocks = StringBlocks::read(FileReader::open_unverified(file()), "/names");
  ASSERT_EQ(blocks.size(), strings.size());
  ASSERT_EQ(blocks.block_count(), (strings.size() + 1023) / 1024);
  std::vector<std::string> scanned;
  for (std::uint64_t block = 0; block < blocks.block_count(); ++block)
    for (std::string& string : blocks.block(block)) scanned.push_back(std::move(string));
  EXPECT_TRUE(scanned == strings);
  for (std::size_t i = 0; i < strings.size(); i += 1 + strings.size() / 200) EXPECT_EQ(blocks.get(i), strings[i]);
}

TEST_P(StringBlocksOf, Find) {
  const auto strings = random_strings(GetParam());
  const StringBlocks blocks = encode(strings);
  for (std::size_t i = 0; i < strings.size(); i += 1 + strings.size() / 150) {
    EXPECT_EQ(blocks.find(strings[i]), i);
    const std::string absent = strings[i] + "!";
    EXPECT_EQ(blocks.find(absent).has_value(), std::binary_search(strings.begin(), strings.end(), absent)) << absent;
  }
  for (const std::size_t edge :
       {std::size_t{0}, std::size_t{1022}, std::size_t{1023}, std::size_t{1024}, strings.size() - 1}) {
    if (edge >= strings.size()) continue;
    EXPECT_EQ(blocks.find(strings[edge]), edge);
  }
  EXPECT_EQ(blocks.find("\xFF\xFF"), std::nullopt) << "above everything";
  EXPECT_EQ(blocks.find("not there"), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Sizes, StringBlocksOf, testing::Values(0, 1, 2, 1023, 1024, 1025, 2048, 5000));

TEST(StringBlocks, NothingIsBelowTheFirst) {
  const StringBlocks blocks = encode({"b", "c"});
  EXPECT_EQ(blocks.find("a"), std::nullopt);
  EXPECT_EQ(blocks.find(""), std::nullopt);
  EXPECT_EQ(blocks.find("b"), 0U);
}

TEST(StringBlocks, VeryCompressibleStrings) {
  for (const std::size_t length : {std::size_t{1} << 17U, std::size_t{1} << 23U, (std::size_t{1} << 23U) + 12345}) {
    const std::string string(length, 'z');
    EXPECT_TRUE(encode({"", string}).get(1) == string);
  }
}

TEST(StringBlocks, OutOfRangeIsADefect) {
  const StringBlocks blocks = encode({"a"});
  test::expect_error(ExitStatus::kInternal, {"out of range"}, [&] { (void)blocks.get(1); });
  test::expect_error(ExitStatus::kInternal, {"out of range"}, [&] { (void)blocks.block(1); });
}

TEST(StringBlocks, NearestIsASortByDistance) {
  const auto strings = random_strings(1500);
  const StringBlocks blocks = encode(strings);
  for (const std::string name : {"été/12", "a1", "", "http://example.org/resource/77", "x"}) {
    std::vector<std::pair<std::size_t, std::string>> expected;
    for (const std::string& string : strings) expected.emplace_back(text::edit_distance(name, string), string);
    std::sort(expected.begin(), expected.end());
    for (const std::size_t limit : {0, 1, 3, 10}) {
      const auto nearest = blocks.nearest(name, limit);
      ASSERT_EQ(nearest.size(), limit);
      for (std::size_t i = 0; i < limit; ++i) EXPECT_EQ(nearest[i], expected[i].second) << name << " " << i;
    }
  }
  EXPECT_EQ(encode({"a", "b"}).nearest("a", 10), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(encode({}).nearest("a", 3).empty());
}

/// A group as StringBlocks writes it, with one thing changed.
class DamagedBlocks : public testing::Test {
 protected:
  struct Parts {
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint64_t> offsets;
    std::uint64_t count = 0;
    std::uint64_t version = 1;
  };
  DamagedBlocks() {
    FileWriter writer(file(), "test", 1);
    encode(random_strings(2500)).write(writer, "/names", "names");
    writer.close();
    const FileReader reader = FileReader::open_unverified(file());
    sound_ = {reader.read<std::uint8_t>("/names/bytes"), reader.read<std::uint64_t>("/names/block_offsets"), 2500, 1};
  }
  [[nodiscard]] StringBlocks stored(const Parts& parts) const {
    FileWriter writer(file(), "test", 1);
    writer.write<std::uint8_t>("/names/bytes", parts.bytes, {"bytes"});
    writer.write<std::uint64_t>("/names/block_offsets", parts.offsets, {"offsets"});
    writer.attribute("/names", "count", parts.count);
    writer.attribute("/names", "encoding_version", parts.version);
    writer.close();
    return StringBlocks::read(FileReader::open_unverified(file()), "/names");
  }
  void refuse(const Parts& parts) const {
    test::expect_error(ExitStatus::kBadData, {"names.h5", "/names", "inconsistent"}, [&] { (void)stored(parts); });
  }
  [[nodiscard]] std::filesystem::path file() const { return temporary_.path() / "names.h5"; }
  [[nodiscard]] const Parts& sound() const { return sound_; }

 private:
  test::TemporaryFolder temporary_;
  Parts sound_;
};

TEST_F(DamagedBlocks, SoundOnesAreRead) { EXPECT_EQ(stored(sound()).get(2499), random_strings(2500).back()); }

TEST_F(DamagedBlocks, CountsThatDoNotFitTheOffsets) {
  for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2048}, std::uint64_t{3073},
                                    std::uint64_t{1} << 40U, ~std::uint64_t{0}, ~std::uint64_t{0} - 1022}) {
    Parts parts = sound();
    parts.count = count;
    refuse(parts);
  }
  Parts nothing = sound();
  nothing.bytes.clear();
  nothing.offsets = {0};
  nothing.count = ~std::uint64_t{0};
  refuse(nothing);
  nothing.offsets.clear();
  refuse(nothing);
  nothing.count = 0;
  refuse(nothing);
  nothing.offsets = {0};
  EXPECT_EQ(stored(nothing).size(), 0U);
}

TEST_F(DamagedBlocks, OffsetsOutOfOrder) {
  Parts parts = sound();
  std::swap(parts.offsets[1], parts.offsets[2]);
  refuse(parts);
  parts = sound();
  parts.offsets[0] = 1;
  refuse(parts);
  parts = sound();
  ++parts.offsets.back();
  refuse(parts);
  parts = sound();
  parts.offsets[1] = ~std::uint64_t{0};
  refuse(parts);
  parts = sound();
  parts.version = 2;
  refuse(parts);
}

// The dataset has a checksum, but whoever made the file made that too.
TEST_F(DamagedBlocks, DamagedBytesAreRefusedOrGiveStringsButNeverMore) {
  const RandomStream stream(9, Purpose::kSplit);
  int refused = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    Parts parts = sound();
    for (std::uint64_t k = 0; k <= i % 3; ++k)
      parts.bytes[stream.below(100 * i + 2 * k, parts.bytes.size())] =
          static_cast<std::uint8_t>(stream.bits(100 * i + 2 * k + 1));
    const StringBlocks blocks = stored(parts);
    for (std::uint64_t block = 0; block < blocks.block_count(); ++block) {
      try {
        EXPECT_EQ(blocks.block(block).size(), std::min<std::uint64_t>(1024, 2500 - 1024 * block));
      } catch (const Error& error) {
        EXPECT_EQ(error.status(), ExitStatus::kBadData) << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST_F(DamagedBlocks, AFrameThatClaimsGigabytesIsRefused) {
  Parts parts = sound();
  // Magic number, a frame header with an 8-byte content size, then nothing.
  parts.bytes = {0x28, 0xB5, 0x2F, 0xFD, 0xE0, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0};
  parts.offsets = {0, parts.bytes.size()};
  parts.count = 5;
  const StringBlocks blocks = stored(parts);
  test::expect_error(ExitStatus::kBadData, {"block of strings is damaged"}, [&] { (void)blocks.block(0); });
}

TEST_F(DamagedBlocks, ABlockWithTooManyStringsIsRefused) {
  Parts parts = sound();
  parts.count = 2499;
  const StringBlocks blocks = stored(parts);
  test::expect_error(ExitStatus::kBadData, {"block of strings is damaged"}, [&] { (void)blocks.block(2); });
  parts.count = 2501;
  const StringBlocks more = stored(parts);
  test::expect_error(ExitStatus::kBadData, {"block of strings is damaged"}, [&] { (void)more.block(2); });
}

}  // namespace
}  // namespace tessera
