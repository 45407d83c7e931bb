// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/checksum.hpp"

#include "core/error.hpp"
#include "storage/raw_file.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace tessera {
namespace {

using storage::Digest;
using storage::FolderChecksums;

std::string hex_of(const std::string& text) { return storage::hash_values<char>(text).hex(); }

// XXH3-128 with seed 0, as xxhsum -H2 prints it.
TEST(Checksum, KnownAnswers) {
  EXPECT_EQ(hex_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hex_of("a"), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(hex_of("abc"), "06b05ab6733a618578af5f94892f3950");
}

TEST(Checksum, HasherDoesNotSeeHowTheBytesCame) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i);
  for (const std::size_t piece : {1, 7, 240, 1024, 4096}) {
    storage::Hasher hasher;
    for (std::size_t at = 0; at < text.size(); at += piece)
      hasher.add(std::as_bytes(std::span(text).subspan(at, std::min(piece, text.size() - at))));
    EXPECT_EQ(hasher.digest().hex(), hex_of(text)) << piece;
  }
  EXPECT_EQ(storage::Hasher().digest().hex(), hex_of(""));
}

class Checksums : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder() / name, std::ios::binary) << content;
  }
  [[nodiscard]] std::string list() const {
    const auto bytes = test::read_bytes(folder() / storage::kChecksumsName);
    return {bytes.begin(), bytes.end()};
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return temporary_.path(); }

 private:
  test::TemporaryFolder temporary_;
};

TEST_F(Checksums, HashFileSeesTheWholeFile) {
  const std::string content(3 * 1024 * 1024 + 5, 'x');
  write("big", content);
  EXPECT_EQ(storage::hash_file(folder() / "big").hex(), hex_of(content));
  write("empty", "");
  EXPECT_EQ(storage::hash_file(folder() / "empty").hex(), hex_of(""));
  test::expect_error(ExitStatus::kMissingInput, {"nothing", "No such file"},
                     [&] { storage::hash_file(folder() / "nothing"); });
  test::expect_error(ExitStatus::kIo, {"Is a directory"}, [&] { storage::hash_file(folder()); });
}

TEST_F(Checksums, TheListIsThatOfXxhsum) {
  write("b.h5", "abc");
  write("a with space.h5", "a");
  auto checksums = FolderChecksums::load(folder());
  EXPECT_TRUE(checksums.digests().empty()) << "an absent list is an empty one";
  checksums.record("b.h5");
  checksums.record("a with space.h5");
  checksums.commit();
  EXPECT_EQ(list(),
            "a96faf705af16834e6c632b61e964e1f  a with space.h5\n"
            "06b05ab6733a618578af5f94892f3950  b.h5\n");
  EXPECT_EQ(FolderChecksums::load(folder()).digests(), checksums.digests());
}

TEST_F(Checksums, XxhsumAgrees) {
  if (std::system("command -v xxhsum >/dev/null 2>&1") != 0) GTEST_SKIP() << "skipped: no xxhsum here";
  write("one", "some bytes");
  write("two", std::string(100000, 'z'));
  auto checksums = FolderChecksums::load(folder());
  checksums.record("one");
  checksums.record("two");
  checksums.commit();
  const std::string in_folder = "cd '" + folder().string() + "' && ";
  EXPECT_EQ(std::system((in_folder + "xxhsum --quiet -c checksums.xxh3").c_str()), 0);
  EXPECT_EQ(std::system((in_folder + "xxhsum -H2 one two | sort -k2 | cmp - checksums.xxh3").c_str()), 0);
  write("two", "other bytes");
  EXPECT_NE(std::system((in_folder + "xxhsum --quiet -c checksums.xxh3 >/dev/null 2>&1").c_str()), 0);
}

TEST_F(Checksums, VerifySaysWhatIsWrong) {
  write("a", "content");
  auto checksums = FolderChecksums::load(folder());
  checksums.record("a");
  checksums.commit();
  const auto loaded = FolderChecksums::load(folder());
  EXPECT_NO_THROW(loaded.verify("a"));
  EXPECT_TRUE(loaded.lists("a"));
  EXPECT_FALSE(loaded.lists("b"));
  test::expect_error(ExitStatus::kMissingInput, {"/b'", "does not exist"}, [&] { loaded.verify("b"); });
  write("b", "never recorded");
  test::expect_error(ExitStatus::kMissingInput, {"/b'", "is not listed", "checksums.xxh3"},
                     [&] { loaded.verify("b"); });
  write("a", "contenu");
  test::expect_error(ExitStatus::kBadData, {"/a'", "do not match their checksum", "checksums.xxh3"},
                     [&] { loaded.verify("a"); });
  std::filesystem::remove(folder() / "a");
  test::expect_error(ExitStatus::kMissingInput, {"/a'", "does not exist"}, [&] { loaded.verify("a"); });
}

TEST_F(Checksums, RecordReplacesAndForgetForgets) {
  write("a", "1");
  write("b", "2");
  auto checksums = FolderChecksums::load(folder());
  checksums.record("a");
  checksums.record("b");
  const Digest before = checksums.digests().at("a");
  write("a", "other");
  checksums.record("a");
  EXPECT_NE(checksums.digests().at("a"), before);
  checksums.forget("b");
  checksums.commit();
  EXPECT_FALSE(FolderChecksums::load(folder()).lists("b"));
  EXPECT_NO_THROW(FolderChecksums::load(folder()).verify("a"));
  test::expect_error(ExitStatus::kMissingInput, {"gone"}, [&] { checksums.record("gone"); });
}

TEST_F(Checksums, MalformedListsAreBadDataWithALine) {
  const std::string good = "06b05ab6733a618578af5f94892f3950  b.h5\n";
  for (const std::string& bad :
       {std::string("\n"), std::string("nonsense\n"), std::string("06b05ab6733a618578af5f94892f3950 b.h5\n"),
        std::string("06b05ab6733a618578af5f94892f395  b.h5\n"),
        std::string("06b05ab6733a618578af5f94892f39501  b.h5\n"),
        std::string("06b05ab6733a618578af5f94892f395g  b.h5\n"),
        std::string("06B05AB6733A618578AF5F94892F3950  b.h5\n"),
        std::string("XXH3_06b05ab6733a618578af5f94892f3950  b.h5\n"), std::string(5000, '\0')}) {
    write(storage::kChecksumsName, good + bad);
    test::expect_error(ExitStatus::kBadData, {"checksums.xxh3:2", "damaged"}, [&] { FolderChecksums::load(folder()); });
  }
}

// Any flipped bit of the list either is noticed at once or makes the file unverifiable; a file never passes by it.
TEST_F(Checksums, EveryFlippedBitOfTheListIsNoticed) {
  write("part-0000.h5", "some content");
  auto checksums = FolderChecksums::load(folder());
  checksums.record("part-0000.h5");
  checksums.commit();
  const std::vector<char> sound = test::read_bytes(folder() / storage::kChecksumsName);
  for (std::size_t bit = 0; bit < 8 * (sound.size() - 1); ++bit) {  // without the last line break
    std::vector<char> damaged = sound;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    test::write_bytes(folder() / storage::kChecksumsName, damaged);
    EXPECT_THROW(FolderChecksums::load(folder()).verify("part-0000.h5"), Error) << "bit " << bit;
  }
  for (std::size_t length = 0; length + 1 < sound.size(); ++length) {
    test::write_bytes(folder() / storage::kChecksumsName,
                      {sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(length)});
    EXPECT_THROW(FolderChecksums::load(folder()).verify("part-0000.h5"), Error) << "cut to " << length;
  }
}

}  // namespace
}  // namespace tessera
