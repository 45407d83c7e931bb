// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "core/random.hpp"
#include "storage/hdf5.hpp"
#include "storage/string_blocks.hpp"
#include "storage/string_samples.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tessera {
namespace {

using storage::FileReader;
using storage::FileWriter;
using storage::StringBlocks;

// Groups of encoding version 1: front-coded zstd blocks of 1,024.
class OldBlocks : public testing::Test {
 protected:
  struct Parts {
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint64_t> offsets = {0};
    std::uint64_t count = 0;
  };
  OldBlocks() : strings_(test::random_strings(2500)) {
    for (std::size_t first = 0; first < strings_.size(); first += 1024)
      append(std::span(strings_).subspan(first, std::min<std::size_t>(1024, strings_.size() - first)));
    sound_.count = strings_.size();
  }
  [[nodiscard]] StringBlocks stored(const Parts& parts) const {
    FileWriter writer(file(), "test", 1);
    writer.write<std::uint8_t>("/names/bytes", parts.bytes, {"bytes"});
    writer.write<std::uint64_t>("/names/block_offsets", parts.offsets, {"offsets"});
    writer.attribute("/names", "count", parts.count);
    writer.attribute("/names", "encoding_version", std::uint64_t{1});
    writer.close();
    return StringBlocks::open(FileReader::open_unverified(file()), "/names");
  }
  void refuse(const Parts& parts) const {
    test::expect_error(ExitStatus::kBadData, {"names.h5", "/names", "inconsistent"}, [&] { (void)stored(parts); });
  }
  [[nodiscard]] std::filesystem::path file() const { return temporary_.path() / "names.h5"; }

  std::vector<std::string> strings_;
  Parts sound_;

 private:
  static void put_varint(std::string& out, std::size_t value) {
    for (; value >= 128; value >>= 7U) out.push_back(static_cast<char>((value & 127U) | 128U));
    out.push_back(static_cast<char>(value));
  }
  void append(std::span<const std::string> block) {
    std::string coded;
    std::string last;
    for (const std::string& string : block) {
      const auto shared = static_cast<std::size_t>(
          std::mismatch(last.begin(), last.end(), string.begin(), string.end()).first - last.begin());
      put_varint(coded, shared);
      put_varint(coded, string.size() - shared);
      coded += string.substr(shared);
      last = string;
    }
    std::vector<std::uint8_t> frame(ZSTD_compressBound(coded.size()));
    frame.resize(ZSTD_compress(frame.data(), frame.size(), coded.data(), coded.size(), 9));
    sound_.bytes.insert(sound_.bytes.end(), frame.begin(), frame.end());
    sound_.offsets.push_back(sound_.bytes.size());
  }
  test::TemporaryFolder temporary_;
};

TEST_F(OldBlocks, AreRead) {
  const StringBlocks blocks = stored(sound_);
  ASSERT_EQ(blocks.size(), strings_.size());
  for (std::size_t i = 0; i < strings_.size(); i += 17) {
    EXPECT_EQ(blocks.get(i), strings_[i]);
    EXPECT_EQ(blocks.find(strings_[i]), i);
    EXPECT_EQ(blocks.find(strings_[i] + "!").has_value(),
              std::binary_search(strings_.begin(), strings_.end(), strings_[i] + "!"));
  }
  EXPECT_TRUE(blocks.block(1) == std::vector<std::string>(strings_.begin() + 1024, strings_.begin() + 2048));
  EXPECT_EQ(blocks.lower_bound("\xFF\xFF"), strings_.size());
}

TEST_F(OldBlocks, CountsAndOffsetsAreChecked) {
  for (const std::uint64_t count : {0ULL, 1024ULL, 4000ULL, ~0ULL}) {
    Parts parts = sound_;
    parts.count = count;
    refuse(parts);
  }
  Parts parts = sound_;
  std::swap(parts.offsets[1], parts.offsets[2]);
  refuse(parts);
  parts = sound_;
  parts.offsets[1] = ~std::uint64_t{0};
  refuse(parts);
}

TEST_F(OldBlocks, DamagedFramesAreRefusedOrGiveStrings) {
  const RandomStream stream(9, Purpose::kSplit);
  int refused = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    Parts parts = sound_;
    parts.bytes[stream.below(2 * i, parts.bytes.size())] = static_cast<std::uint8_t>(stream.bits(2 * i + 1));
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
  EXPECT_GT(refused, 30);
}

TEST_F(OldBlocks, AFrameThatClaimsGigabytesIsRefused) {
  Parts parts;
  // Magic number, a frame header with an 8-byte content size, then nothing.
  parts.bytes = {0x28, 0xB5, 0x2F, 0xFD, 0xE0, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0};
  parts.offsets = {0, parts.bytes.size()};
  parts.count = 5;
  const StringBlocks blocks = stored(parts);
  test::expect_error(ExitStatus::kBadData, {"block of strings is damaged"}, [&] { (void)blocks.block(0); });
}

TEST_F(OldBlocks, ABlockWithTooManyStringsIsRefused) {
  for (const std::uint64_t count : {2499U, 2501U}) {
    Parts parts = sound_;
    parts.count = count;
    const StringBlocks blocks = stored(parts);
    test::expect_error(ExitStatus::kBadData, {"block of strings is damaged"}, [&] { (void)blocks.block(2); });
  }
}

}  // namespace
}  // namespace tessera
