// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/file_lock.hpp"

#include "storage/checksum.hpp"
#include "storage/rereadable.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>
#include <vector>

namespace tessera::storage {
namespace {

class FileLockTest : public ::testing::Test {
 private:
  test::TemporaryFolder temporary_;

 protected:
  const std::filesystem::path folder_ = temporary_.path();
};

TEST_F(FileLockTest, OneHoldsItAndMayWriteWho) {
  const auto path = folder_ / "lock";
  {
    const auto lock = FileLock::try_lock(path);
    ASSERT_TRUE(lock);
    EXPECT_TRUE(lock->is_kept());
    EXPECT_FALSE(FileLock::try_lock(path));
    lock->write("somebody");
    lock->write("me");
    EXPECT_EQ(FileLock::content(path), "me");
  }
  EXPECT_FALSE(std::filesystem::exists(path)) << "it is removed with the lock";
  EXPECT_EQ(FileLock::content(path), std::nullopt);
  EXPECT_TRUE(FileLock::try_lock(path));
}

TEST_F(FileLockTest, WhatAKilledProcessLeftIsNoLock) {
  std::ofstream(folder_ / "lock") << "somebody";
  auto lock = FileLock::try_lock(folder_ / "lock");
  ASSERT_TRUE(lock);
  EXPECT_EQ(FileLock::content(folder_ / "lock"), "somebody");
  lock->leave_file();
  lock.reset();
  EXPECT_TRUE(std::filesystem::exists(folder_ / "lock"));
}

TEST_F(FileLockTest, AFileThatCannotBeMadeIsSaid) {
  test::expect_error(ExitStatus::kIo, {"nothing can be written", "absent"},
                     [&] { (void)FileLock::try_lock(folder_ / "absent" / "lock"); });
  require_writable(folder_ / "not" / "yet" / "there");
  std::ofstream(folder_ / "file") << "x";
  require_writable(folder_ / "file" / "below");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "the probe is gone";
  test::expect_error(ExitStatus::kIo, {"nothing can be written in '/proc'"}, [] { require_writable("/proc/run"); });
}

TEST_F(FileLockTest, ListsOfChecksumsLoseNothing) {
  constexpr int kWriters = 8;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i)
    writers.emplace_back([this, i] {
      AtomicFile file(folder_ / ("file-" + std::to_string(i)));
      std::ofstream(file.temporary()) << i;
      commit_listed(file);
    });
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(FolderChecksums::load(folder_).digests().size(), static_cast<std::size_t>(kWriters));
}

TEST_F(FileLockTest, APipeIsReadTwice) {
  const auto pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << "text\n"; });
  const Rereadable file(pipe);
  writer.join();
  for (int time = 0; time < 2; ++time) {
    std::ifstream in(file.path());
    std::string line;
    std::getline(in, line);
    EXPECT_EQ(line, "text");
  }
}

}  // namespace
}  // namespace tessera::storage
