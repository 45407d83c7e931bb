// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/string_blocks.hpp"

#include "core/error.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "storage/hdf5.hpp"
#include "storage/string_samples.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace tessera {
namespace {

using storage::FileReader;
using storage::FileWriter;
using storage::PackedStrings;
using storage::StringBlocks;

PackedStrings pack(const std::vector<std::string>& strings) {
  return PackedStrings::encode(strings.size(), [&](std::uint64_t i) { return std::string_view(strings[i]); });
}

StringBlocks encode(const std::vector<std::string>& strings) { return StringBlocks(pack(strings)); }

class StringBlocksOf : public testing::TestWithParam<std::size_t> {
 protected:
  [[nodiscard]] std::filesystem::path file() const { return temporary_.path() / "names.h5"; }

 private:
  test::TemporaryFolder temporary_;
};

TEST_P(StringBlocksOf, RoundTrip) {
  const auto strings = test::random_strings(GetParam());
  FileWriter writer(file(), "test", 1);
  pack(strings).write(writer, "/names", "names");
  writer.close();
  const StringBlocks blocks = StringBlocks::open(FileReader::open_unverified(file()), "/names");
  ASSERT_EQ(blocks.size(), strings.size());
  ASSERT_EQ(blocks.block_count(), (strings.size() + 1023) / 1024);
  std::vector<std::string> scanned;
  for (std::uint64_t block = 0; block < blocks.block_count(); ++block)
    for (std::string& string : blocks.block(block)) scanned.push_back(std::move(string));
  EXPECT_TRUE(scanned == strings);
  for (std::size_t i = 0; i < strings.size(); i += 1 + strings.size() / 200) EXPECT_EQ(blocks.get(i), strings[i]);
}

TEST_P(StringBlocksOf, Find) {
  const auto strings = test::random_strings(GetParam());
  const StringBlocks blocks = encode(strings);
  for (std::size_t i = 0; i < strings.size(); i += 1 + strings.size() / 150) {
    EXPECT_EQ(blocks.find(strings[i]), i);
    const std::string absent = strings[i] + "!";
    EXPECT_EQ(blocks.find(absent).has_value(), std::binary_search(strings.begin(), strings.end(), absent)) << absent;
    for (const std::string& any : {absent, strings[i].substr(0, strings[i].size() / 2), "\x01" + strings[i]})
      EXPECT_EQ(blocks.lower_bound(any), std::lower_bound(strings.begin(), strings.end(), any) - strings.begin())
          << any;
  }
  for (const std::size_t edge :
       {std::size_t{0}, std::size_t{1022}, std::size_t{1023}, std::size_t{1024}, strings.size() - 1}) {
    if (edge >= strings.size()) continue;
    EXPECT_EQ(blocks.find(strings[edge]), edge);
  }
  EXPECT_EQ(blocks.find("\xFF\xFF"), std::nullopt) << "above everything";
  EXPECT_EQ(blocks.find("not there"), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Sizes, StringBlocksOf,
                         testing::Values(0, 1, 2, 7, 8, 9, 255, 256, 257, 1023, 1024, 1025, 2048, 5000, 100000));

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

// Pages whose strings begin alike in more bytes than a prefix or a head has.
TEST(StringBlocks, LongCommonStarts) {
  for (const std::size_t length : {std::size_t{3}, std::size_t{255}, std::size_t{256}, std::size_t{70'000}}) {
    std::vector<std::string> strings;
    for (int i = 0; i < 600; ++i)
      strings.push_back(std::string(length, 'x') + std::string(static_cast<std::size_t>(i % 7), '\0') +
                        fmt::format("{:04}", i));
    std::sort(strings.begin(), strings.end());
    const StringBlocks blocks = encode(strings);
    for (std::size_t i = 0; i < strings.size(); i += 5) {
      EXPECT_TRUE(blocks.get(i) == strings[i]) << i;
      EXPECT_EQ(blocks.find(strings[i]), i);
      EXPECT_EQ(blocks.find(strings[i] + "0"), std::nullopt);
      EXPECT_EQ(blocks.find(strings[i].substr(0, length)), std::nullopt);
    }
    EXPECT_EQ(blocks.lower_bound("w"), 0U);
    EXPECT_EQ(blocks.lower_bound("y"), strings.size());
  }
}

// Strings that the sample for the symbols does not show.
TEST(StringBlocks, BytesThatNoSymbolHas) {
  std::vector<std::string> strings;
  for (int i = 0; i < 100'000; ++i) strings.push_back(fmt::format("name{:06}", i));
  strings.back() = "z";
  for (int byte = 0; byte < 256; ++byte) strings.back() += static_cast<char>(byte);
  EXPECT_EQ(encode(strings).get(strings.size() - 1), strings.back());
}

TEST(StringBlocks, NamesTakeHalfOfTheirBytes) {
  std::vector<std::string> strings;
  const std::vector<std::string> first = {"Albert", "Anna", "John", "Maria", "Peter", "William"};
  const std::vector<std::string> end = {"", "_(film)", "_(footballer)", "_(politician)"};
  const RandomStream stream(5, Purpose::kSplit);
  std::set<std::string> names;
  for (std::uint64_t i = 0; names.size() < 20'000; ++i) {
    std::string name = first[stream.below(9 * i, first.size())] + "_";
    for (std::uint64_t k = 1; k < 8; ++k) name += static_cast<char>('a' + stream.below(9 * i + k, 26));
    names.insert(name + end[stream.below(9 * i + 8, end.size())]);
  }
  std::size_t raw = 0;
  for (const std::string& name : names) raw += name.size();
  const PackedStrings packed = pack({names.begin(), names.end()});
  EXPECT_LT(packed.bytes.size() + packed.symbols.size(), raw / 2);
}

TEST(StringBlocks, OutOfRangeIsADefect) {
  const StringBlocks blocks = encode({"a"});
  test::expect_error(ExitStatus::kInternal, {"out of range"}, [&] { (void)blocks.get(1); });
  test::expect_error(ExitStatus::kInternal, {"out of range"}, [&] { (void)blocks.block(1); });
}

TEST(StringBlocks, NearestIsASortByDistance) {
  const auto strings = test::random_strings(1500);
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

/// A group as PackedStrings writes it, with one thing changed.
class DamagedStrings : public testing::Test {
 protected:
  static constexpr std::uint64_t kCount = 2500;
  DamagedStrings() : strings_(test::random_strings(kCount)), sound_(pack(strings_)) {}
  [[nodiscard]] std::filesystem::path file() const { return temporary_.path() / "names.h5"; }
  void write(const PackedStrings& strings) const {
    FileWriter writer(file(), "test", 1);
    strings.write(writer, "/names", "names");
    writer.close();
  }
  [[nodiscard]] StringBlocks stored(const PackedStrings& strings) const {
    write(strings);
    return StringBlocks::open(FileReader::open_unverified(file()), "/names");
  }
  void refuse(const PackedStrings& strings) const {
    test::expect_error(ExitStatus::kBadData, {"names.h5", "/names", "inconsistent"}, [&] { (void)stored(strings); });
  }
  /// Makes the hash of each page what its bytes say: whoever made the file could do that.
  static void forge(PackedStrings& strings) {
    for (std::size_t page = 0; page + 1 < strings.page_offsets.size(); ++page) {
      const std::span<std::uint8_t> bytes =
          std::span(strings.bytes)
              .subspan(strings.page_offsets[page], strings.page_offsets[page + 1] - strings.page_offsets[page]);
      const std::uint32_t hash = PackedStrings::page_hash(bytes.first(bytes.size() - sizeof(hash)));
      std::memcpy(bytes.data() + bytes.size() - sizeof(hash), &hash, sizeof(hash));
    }
  }
  /// Reads everything in every way; returns how often that was refused.
  [[nodiscard]] int read_all(const StringBlocks& blocks) const {
    int refused = 0;
    const auto attempt = [&](const auto& read) {
      try {
        read();
      } catch (const Error& error) {
        EXPECT_EQ(error.status(), ExitStatus::kBadData) << error.what();
        ++refused;
      }
    };
    for (std::uint64_t block = 0; block < blocks.block_count(); ++block)
      attempt([&] { EXPECT_EQ(blocks.block(block).size(), std::min<std::uint64_t>(1024, kCount - 1024 * block)); });
    for (std::uint64_t i = 0; i < kCount; i += 50) {
      attempt([&] { (void)blocks.get(i); });
      attempt([&] { EXPECT_LE(blocks.lower_bound(strings_[i]), kCount); });
    }
    return refused;
  }

  test::TemporaryFolder temporary_;
  std::vector<std::string> strings_;
  PackedStrings sound_;
};

TEST_F(DamagedStrings, SoundStringsHaveNoFault) { EXPECT_EQ(read_all(stored(sound_)), 0); }

TEST_F(DamagedStrings, CountsThatDoNotFitAreRefused) {
  for (const std::uint64_t count : {std::uint64_t{0}, kCount - 256, kCount + 256, ~std::uint64_t{0}}) {
    PackedStrings strings = sound_;
    strings.count = count;
    refuse(strings);
  }
  for (const auto offsets : {&PackedStrings::page_offsets, &PackedStrings::separator_offsets}) {
    PackedStrings strings = sound_;
    std::swap((strings.*offsets)[1], (strings.*offsets)[3]);
    refuse(strings);
    strings = sound_;
    ++(strings.*offsets)[0];
    refuse(strings);
    strings = sound_;
    ++(strings.*offsets).back();
    refuse(strings);
    strings = sound_;
    (strings.*offsets)[1] = ~std::uint64_t{0};
    refuse(strings);
    strings = sound_;
    (strings.*offsets).pop_back();
    refuse(strings);
  }
}

TEST_F(DamagedStrings, SymbolsThatAreNoCodeAreRefused) {
  const auto refuse_symbols = [&](const PackedStrings& strings) {
    test::expect_error(ExitStatus::kBadData, {"symbols"}, [&] { (void)stored(strings); });
  };
  for (const int bits : {0, 1, 13, 255}) {
    PackedStrings strings = sound_;
    strings.symbols[9 * 20] = static_cast<std::uint8_t>(bits);
    refuse_symbols(strings);
  }
  for (const int kind : {0, 11, 15, 255}) {
    PackedStrings strings = sound_;
    strings.symbols[1] = static_cast<std::uint8_t>(kind);
    refuse_symbols(strings);
  }
}

TEST_F(DamagedStrings, AnotherVersionIsRefused) {
  FileWriter writer(file(), "test", 1);
  writer.write<std::uint8_t>("/names/bytes", sound_.bytes, {"bytes"});
  writer.attribute("/names", "count", kCount);
  writer.attribute("/names", "encoding_version", std::uint64_t{3});
  writer.close();
  test::expect_error(ExitStatus::kBadData, {"names.h5", "/names", "encoding 3"},
                     [&] { (void)StringBlocks::open(FileReader::open_unverified(file()), "/names"); });
}

TEST_F(DamagedStrings, AChangedByteOfAPageIsNoticed) {
  for (std::size_t at = 0; at < sound_.bytes.size(); at += 997) {
    PackedStrings strings = sound_;
    strings.bytes[at] ^= 16;
    const StringBlocks blocks = stored(strings);
    const auto page =
        static_cast<std::uint64_t>(std::upper_bound(strings.page_offsets.begin(), strings.page_offsets.end(), at) -
                                   strings.page_offsets.begin() - 1);
    test::expect_error(ExitStatus::kBadData, {"names.h5", "/names/bytes", "page " + std::to_string(page), "damaged"},
                       [&] { (void)blocks.get(256 * page); });
    EXPECT_EQ(blocks.get((256 * page + 256) % 2304), strings_[(256 * page + 256) % 2304]) << "another page";
  }
}

TEST_F(DamagedStrings, ForgedPagesAreRefusedOrGiveStringsButNeverMore) {
  const RandomStream stream(9, Purpose::kSplit);
  int refused = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    PackedStrings strings = sound_;
    for (std::uint64_t k = 0; k <= i % 3; ++k)
      strings.bytes[stream.below(100 * i + 2 * k, strings.bytes.size())] =
          static_cast<std::uint8_t>(stream.bits(100 * i + 2 * k + 1));
    forge(strings);
    refused += read_all(stored(strings));
  }
  EXPECT_GT(refused, 100);
}

// Each page lies elsewhere in the file than its offsets say.
TEST_F(DamagedStrings, ForgedOffsetsOfPages) {
  for (const std::uint64_t by : {1, 7, 40}) {
    PackedStrings strings = sound_;
    for (std::size_t page = 1; page + 1 < strings.page_offsets.size(); ++page) strings.page_offsets[page] += by;
    EXPECT_GT(read_all(stored(strings)), 0);
    forge(strings);
    EXPECT_GE(read_all(stored(strings)), 0);
  }
}

// No signal: the pages that are gone give an error.
TEST_F(DamagedStrings, AFileThatBecomesShorterWhileItIsOpen) {
  const StringBlocks blocks = stored(sound_);
  EXPECT_EQ(blocks.get(0), strings_[0]);
  std::filesystem::resize_file(file(), 1000);
  test::expect_error(ExitStatus::kBadData, {"names.h5", "/names/bytes", "become shorter"},
                     [&] { (void)blocks.get(kCount - 1); });
  EXPECT_EQ(blocks.get(0), strings_[0]) << "that page is kept";
}

TEST_F(DamagedStrings, AFileThatIsReplacedStaysReadable) {
  const StringBlocks blocks = stored(sound_);
  std::filesystem::remove(file());
  EXPECT_EQ(read_all(blocks), 0);
}

}  // namespace
}  // namespace tessera
