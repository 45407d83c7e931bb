// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// A file system of one megabyte that runs full. It is mounted in a mount namespace of this process, so it cannot
// outlive it.

#include "core/error.hpp"
#include "core/random.hpp"
#include "graph/graph_reader.hpp"
#include "graph/graph_writer.hpp"
#include "storage/atomic.hpp"
#include "storage/checksum.hpp"
#include "storage/hdf5.hpp"
#include "storage/raw_file.hpp"
#include "storage/string_blocks.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace tessera {
namespace {

class DiskFull : public testing::Test {
 protected:
  void SetUp() override {
    static const bool apart =
        unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    mounted_ = apart && mount("tmpfs", folder().c_str(), "tmpfs", 0, "size=1m") == 0;
    if (!mounted_) GTEST_SKIP() << "skipped: mounting a small file system needs root: " << std::strerror(errno);
  }
  void TearDown() override {
    if (mounted_) umount2(folder().c_str(), MNT_DETACH);
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return temporary_.path(); }
  [[nodiscard]] bool is_empty() const { return std::filesystem::is_empty(folder()); }
  /// `make(kibibytes)` makes `name` of that size. Up to some size it works; above, it is an I/O error that leaves
  /// nothing.
  template <class Make>
  void expect_whole_or_nothing(const std::string& name, std::uint64_t first, std::uint64_t last,
                               const Make& make) const {
    std::uint64_t made = 0;
    std::uint64_t refused = 0;
    for (std::uint64_t kibibytes = first; kibibytes <= last; ++kibibytes) {
      SCOPED_TRACE(kibibytes);
      try {
        make(kibibytes);
        ++made;
        EXPECT_EQ(refused, 0U) << "a smaller one did not fit";
        std::filesystem::remove_all(folder() / name);
      } catch (const Error& error) {
        ++refused;
        EXPECT_EQ(static_cast<int>(error.status()), static_cast<int>(ExitStatus::kIo)) << error.what();
        EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      }
      EXPECT_TRUE(is_empty());
    }
    EXPECT_GT(made, 0U);
    EXPECT_GT(refused, 0U);
  }
  /// Leaves `bytes` free.
  void fill(std::uint64_t bytes) const {
    std::ofstream(folder() / "ballast", std::ios::binary)
        << std::string(std::filesystem::space(folder()).available - bytes, 'x');
  }

 private:
  test::TemporaryFolder temporary_;
  bool mounted_ = false;
};

// Whether the data fill the disk (append), or the last metadata (close): it is said, and nothing is left.
TEST_F(DiskFull, AnHdf5FileIsAnIoError) {
  expect_whole_or_nothing("a.h5", 990, 1030, [&](std::uint64_t kibibytes) {
    storage::AtomicFile file(folder() / "a.h5");
    storage::FileWriter writer(file.temporary(), "test", 1);
    writer.write<std::uint8_t>("/x", std::vector<std::uint8_t>(kibibytes * 1024, 7), {"x"});
    writer.close();
    file.commit();
    EXPECT_EQ(storage::FileReader::open_unverified(folder() / "a.h5").read<std::uint8_t>("/x").size(),
              kibibytes * 1024);
  });
}

TEST_F(DiskFull, TheLibraryWorksAfterwards) {
  test::expect_error(ExitStatus::kIo, {"a.h5"}, [&] {
    storage::FileWriter writer(folder() / "a.h5", "test", 1);
    writer.write<std::uint8_t>("/x", std::vector<std::uint8_t>(3000 * 1024, 7), {"x"});
    writer.close();
  });
  std::filesystem::remove(folder() / "a.h5");
  storage::FileWriter writer(folder() / "b.h5", "test", 1);
  writer.write<std::uint8_t>("/x", std::vector<std::uint8_t>(1000, 7), {"x"});
  writer.close();
  EXPECT_EQ(storage::FileReader::open_unverified(folder() / "b.h5").read<std::uint8_t>("/x").size(), 1000U);
}

// Files that could not be closed stay open inside the library, whose own end of the process must not stumble over them.
TEST_F(DiskFull, TheProgramEndsWithItsStatus) {
  const auto fail_and_exit = [&] {
    int status = 0;
    for (std::uint64_t kibibytes = 1000; kibibytes < 1030; ++kibibytes) {
      try {
        storage::AtomicFile file(folder() / "a.h5");
        storage::FileWriter writer(file.temporary(), "test", 1);
        auto dataset = writer.dataset("/x", storage::ElementType::kU8, {kibibytes * 1024}, {"x"});
        dataset.append(std::span<const std::uint8_t>(std::vector<std::uint8_t>(kibibytes * 1024, 7)));
        writer.attribute("/y", "name", std::string(2000, 'x'));
        dataset.finish();
        writer.close();
      } catch (const Error& error) {
        status = static_cast<int>(error.status());
      }
    }
    std::exit(status);
  };
  EXPECT_EXIT(fail_and_exit(), testing::ExitedWithCode(74), "");
}

TEST_F(DiskFull, TheListOfChecksumsStays) {
  std::ofstream(folder() / "one") << "content";
  auto checksums = storage::FolderChecksums::load(folder());
  checksums.record("one");
  checksums.commit();
  const auto before = test::read_bytes(folder() / storage::kChecksumsName);
  fill(0);
  checksums.record("ballast");
  test::expect_error(ExitStatus::kIo, {"checksums.xxh3", "No space left"}, [&] { checksums.commit(); });
  EXPECT_EQ(test::read_bytes(folder() / storage::kChecksumsName), before);
  EXPECT_NO_THROW(storage::FolderChecksums::load(folder()).verify("one"));
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder())) ++entries;
  EXPECT_EQ(entries, 3U) << "a temporary file was left";
}

TEST_F(DiskFull, SpaceIsAskedForBeforeWriting) {
  EXPECT_NO_THROW(storage::require_space(folder(), 1000 * 1024));
  test::expect_error(ExitStatus::kIo, {folder().string(), "1.0 MiB free", "2.0 MiB are needed", "nothing was written"},
                     [&] { storage::require_space(folder(), 2048 * 1024); });
}

TEST_F(DiskFull, AGraphFolderIsWholeOrNotThere) {
  std::string name;
  const auto names = [&](std::uint64_t count) {
    return storage::PackedStrings::encode(
        count, [&](std::uint64_t i) { return std::string_view(name = fmt::format("{:08}", i)); });
  };
  expect_whole_or_nothing("data.kg", 970, 1030, [&](std::uint64_t kibibytes) {
    std::vector<Triple> triples;  // of 5.7 bytes each, packed
    const RandomStream random(1, Purpose::kSplit);
    for (std::uint64_t i = 0, head = 0; i < kibibytes * 1024 * 10 / 57; ++i) {
      head += 1 + random.below(2 * i, 1U << 13U);
      triples.push_back({EntityId(head), RelationId(0), EntityId(random.below(2 * i + 1, std::uint64_t{1} << 32U))});
    }
    {
      graph::GraphWriter writer(folder() / "data.kg");
      writer.names(names(5), names(1));
      writer.begin_split(graph::Split::kTrain, triples.size());
      writer.append(triples);
      writer.commit();
    }
    EXPECT_EQ(graph::GraphReader(folder() / "data.kg").triple_count(graph::Split::kTrain), triples.size());
  });
}

}  // namespace
}  // namespace tessera
