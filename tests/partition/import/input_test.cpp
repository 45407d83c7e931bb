// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/input.hpp"

#include "import_fixture.hpp"
#include "storage/checksum.hpp"

#include <unistd.h>

#include <thread>

namespace tessera::partition {
namespace {

using namespace std::string_literals;
using test::expect_error;
using test::gzip;
using test::zstd;

std::string read_all(Input& input, std::size_t piece = 4096) {
  std::string all;
  std::string buffer(piece, '\0');
  while (const std::size_t count = input.read(buffer)) all.append(buffer, 0, count);
  EXPECT_EQ(input.read(buffer), 0U) << "the end stays the end";
  return all;
}

std::string read_memory(std::string_view bytes, std::size_t piece = 4096) {
  Input input = Input::from_memory("memory", bytes);
  return read_all(input, piece);
}

// Long enough for several blocks, and not too compressible.
std::string long_text() {
  std::string text;
  for (std::uint64_t i = 0; text.size() < (std::size_t{5} << 20U); ++i)
    text += fmt::format("entity_{:x}\trelation_{}\tentity_{:x}\n", i * 0x9E3779B97F4A7C15ULL, i % 7,
                        i * 0xD1342543DE82EF95ULL);
  return text;
}

TEST(Input, TellsEncodingsApartByContent) {
  const std::string text = "a\tb\tc\n";
  EXPECT_EQ(read_memory(text), text);
  EXPECT_EQ(read_memory(gzip(text)), text);
  EXPECT_EQ(read_memory(zstd(text)), text);
  EXPECT_STREQ(Input::from_memory("m", text).encoding(), "plain text");
  EXPECT_STREQ(Input::from_memory("m", gzip(text)).encoding(), "gzip");
  EXPECT_STREQ(Input::from_memory("m", zstd(text)).encoding(), "zstd");
}

TEST(Input, OneByteIsEnough) {
  EXPECT_EQ(read_memory("x"), "x");
  EXPECT_EQ(read_memory("\x1e"), "\x1e");
}

TEST(Input, JoinsMembersAndFrames) {
  EXPECT_EQ(read_memory(gzip("one\n") + gzip("") + gzip("two\n")), "one\ntwo\n");
  EXPECT_EQ(read_memory(gzip("one\n") + "\0\0\0\0"s), "one\n") << "padding is ignored";
  EXPECT_EQ(read_memory(zstd("one\n") + zstd("two\n")), "one\ntwo\n");
  const std::string skippable = "\x50\x2a\x4d\x18\x03\x00\x00\x00xyz"s;
  EXPECT_EQ(read_memory(skippable + zstd("two\n")), "two\n");
}

TEST(Input, LongTextsInAnyPieces) {
  const std::string text = long_text();
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{1} << 20U, std::size_t{3} << 20U}) {
    EXPECT_TRUE(read_memory(text, piece) == text);
    EXPECT_TRUE(read_memory(gzip(text), piece) == text);
    EXPECT_TRUE(read_memory(zstd(text), piece) == text);
  }
}

TEST(Input, TruncatedDataIsAnErrorWhereverItIsCut) {
  const std::string text = long_text().substr(0, 5000);
  const auto cut_everywhere = [](const std::string& packed, const std::string& name) {
    for (std::size_t length = 4; length < packed.size(); length += length < 40 ? 1 : 97)
      expect_error(ExitStatus::kBadData, {"memory", name, "truncated"}, [&] { read_memory(packed.substr(0, length)); });
  };
  cut_everywhere(gzip(text), "gzip");
  cut_everywhere(zstd(text), "zstd");
}

TEST(Input, DamagedDataIsAnError) {
  std::string packed = gzip(long_text().substr(0, 5000));
  packed[packed.size() - 6] = static_cast<char>(packed[packed.size() - 6] ^ 1);
  expect_error(ExitStatus::kBadData, {"memory", "gzip", "damaged"}, [&] { read_memory(packed); });
  const std::string reserved_block_type = "\x28\xb5\x2f\xfd\x20\x05\x06\x00\x00 and so on"s;
  expect_error(ExitStatus::kBadData, {"memory", "zstd", "damaged"}, [&] { read_memory(reserved_block_type); });
  expect_error(ExitStatus::kBadData, {"other bytes after the end"}, [&] { read_memory(gzip("text") + "more"); });
}

TEST(Input, MissingUnreadableAndEmpty) {
  const test::TempFolder folder;
  const std::string missing = (folder.path() / "no.tsv").string();
  expect_error(ExitStatus::kMissingInput, {missing, "No such file"}, [&] { Input::open(missing); });
  expect_error(ExitStatus::kMissingInput, {folder.path().string(), "is a folder"},
               [&] { Input::open(folder.path().string()); });
  const std::string empty = folder.write("empty.tsv", "");
  expect_error(ExitStatus::kBadData, {empty, "is empty"}, [&] { Input::open(empty); });
}

TEST(Input, RecognisesWhatItDoesNotRead) {
  expect_error(ExitStatus::kBadData, {"xz -dc"}, [&] {
    read_memory(
        "\xfd"
        "7zXZ\0 and so on"s);
  });
  expect_error(ExitStatus::kBadData, {"bzip2"}, [&] { read_memory("BZh91AY"); });
  expect_error(ExitStatus::kBadData, {"zip archive"}, [&] { read_memory("PK\x03\x04 and so on"); });
  expect_error(ExitStatus::kBadData, {"UTF-16"}, [&] {
    read_memory(
        "\xff\xfe"
        "a\0b\0"s);
  });
}

TEST(Input, ChecksumAndSizeAreThoseOfTheRawFile) {
  const test::TempFolder folder;
  for (const std::string& content : {long_text(), gzip(long_text()) + "\0\0"s, zstd("a\tb\tc\n")}) {
    const std::string path = folder.write("data", content);
    Input input = Input::open(path);
    read_all(input);
    EXPECT_EQ(input.name(), path);
    EXPECT_EQ(input.raw_bytes(), content.size());
    EXPECT_EQ(input.checksum(), storage::hash_file(path).hex());
  }
}

// Gives `bytes` to whoever reads standard input.
class StandardInput {
 public:
  explicit StandardInput(std::string bytes) : saved_(::dup(STDIN_FILENO)), bytes_(std::move(bytes)) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe(ends), 0);
    ::dup2(ends[0], STDIN_FILENO);
    ::close(ends[0]);
    writer_ = std::thread([this, end = ends[1]] {
      for (std::size_t at = 0; at < bytes_.size();) {
        // The first bytes come one by one.
        const ssize_t count =
            ::write(end, bytes_.data() + at, at < 20 ? 1 : std::min<std::size_t>(bytes_.size() - at, 9999));
        if (count <= 0) break;
        at += static_cast<std::size_t>(count);
      }
      ::close(end);
    });
  }
  ~StandardInput() {
    writer_.join();
    ::dup2(saved_, STDIN_FILENO);
    ::close(saved_);
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  int saved_;
  std::string bytes_;
  std::thread writer_;
};

TEST(Input, ReadsStandardInput) {
  const std::string text = long_text();
  for (const std::string& content : {text, gzip(text), zstd(text)}) {
    const StandardInput source(content);
    Input input = Input::open("-");
    EXPECT_EQ(input.name(), "standard input");
    EXPECT_TRUE(read_all(input) == text);
    EXPECT_EQ(input.raw_bytes(), content.size());
  }
}

}  // namespace
}  // namespace tessera::partition
