// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/atomic.hpp"

#include "core/error.hpp"
#include "storage/hdf5.hpp"
#include "storage/raw_file.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera {
namespace {

using storage::AtomicFile;
using storage::AtomicFolder;

class Atomic : public testing::Test {
 protected:
  [[nodiscard]] const std::filesystem::path& folder() const { return temporary_.path(); }
  /// Every file and folder below, relative.
  [[nodiscard]] std::vector<std::string> content() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder()))
      names.push_back(entry.path().lexically_relative(folder()).string());
    std::sort(names.begin(), names.end());
    return names;
  }
  static void write(const std::filesystem::path& file, const std::string& text) { std::ofstream(file) << text; }
  static std::string read(const std::filesystem::path& file) {
    const auto bytes = test::read_bytes(file);
    return {bytes.begin(), bytes.end()};
  }
  using Names = std::vector<std::string>;

 private:
  test::TemporaryFolder temporary_;
};

TEST_F(Atomic, AFileAppearsAtCommit) {
  AtomicFile file(folder() / "a.txt");
  EXPECT_EQ(file.temporary().parent_path(), folder()) << "a rename must not cross file systems";
  write(file.temporary(), "new");
  EXPECT_FALSE(std::filesystem::exists(folder() / "a.txt"));
  file.commit();
  EXPECT_EQ(content(), Names{"a.txt"});
  EXPECT_EQ(read(folder() / "a.txt"), "new");
}

TEST_F(Atomic, AFileReplacesTheOldOneWhole) {
  write(folder() / "a.txt", "old");
  {
    AtomicFile file(folder() / "a.txt");
    write(file.temporary(), "half of the n");
  }
  EXPECT_EQ(content(), Names{"a.txt"});
  EXPECT_EQ(read(folder() / "a.txt"), "old");
  AtomicFile file(folder() / "a.txt");
  write(file.temporary(), "new");
  file.commit();
  EXPECT_EQ(read(folder() / "a.txt"), "new");
}

TEST_F(Atomic, AFileLeavesNothingWhenAnExceptionPasses) {
  try {
    const AtomicFile file(folder() / "a.txt");
    write(file.temporary(), "half");
    throw std::runtime_error("on the way");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(content(), Names{});
  }
}

TEST_F(Atomic, AFileThatWasNeverWrittenCannotBeCommitted) {
  {
    AtomicFile file(folder() / "a.txt");
    test::expect_error(ExitStatus::kIo, {"a.txt", "cannot be opened"}, [&] { file.commit(); });
  }
  AtomicFile nowhere(folder() / "missing" / "a.txt");
  test::expect_error(ExitStatus::kIo, {"missing"}, [&] { nowhere.commit(); });
  EXPECT_EQ(content(), Names{});
}

TEST_F(Atomic, AFileCannotReplaceAFolder) {
  std::filesystem::create_directories(folder() / "a.txt" / "inside");
  {
    AtomicFile file(folder() / "a.txt");
    write(file.temporary(), "new");
    test::expect_error(ExitStatus::kIo, {"a.txt", "cannot be renamed"}, [&] { file.commit(); });
  }
  EXPECT_EQ(content(), (Names{"a.txt", "a.txt/inside"}));
}

TEST_F(Atomic, AFolderAppearsAtCommit) {
  AtomicFolder made(folder() / "data.kg");
  EXPECT_EQ(made.temporary().parent_path(), folder());
  EXPECT_TRUE(std::filesystem::is_empty(made.temporary()));
  std::filesystem::create_directories(made.temporary() / "parts-8");
  write(made.temporary() / "parts-8" / "x", "1");
  EXPECT_FALSE(std::filesystem::exists(folder() / "data.kg"));
  made.commit();
  EXPECT_EQ(content(), (Names{"data.kg", "data.kg/parts-8", "data.kg/parts-8/x"}));
}

TEST_F(Atomic, AFolderLeavesNothingUnlessCommitted) {
  {
    const AtomicFolder made(folder() / "data.kg");
    std::filesystem::create_directories(made.temporary() / "deep" / "deeper");
    write(made.temporary() / "deep" / "x", "1");
  }
  EXPECT_EQ(content(), Names{});
}

TEST_F(Atomic, AFolderReplacesNothing) {
  std::filesystem::create_directories(folder() / "data.kg");
  write(folder() / "data.kg" / "x", "1");
  test::expect_error(ExitStatus::kUsage, {"data.kg", "exists already"},
                     [&] { AtomicFolder made(folder() / "data.kg"); });
  test::expect_error(ExitStatus::kUsage, {"data.kg", "exists already"},
                     [&] { AtomicFolder made(folder() / "data.kg/"); });
  EXPECT_EQ(content(), (Names{"data.kg", "data.kg/x"}));
}

TEST_F(Atomic, AFolderThatAppearedMeanwhileIsKept) {
  {
    AtomicFolder made(folder() / "data.kg");
    write(made.temporary() / "mine", "1");
    std::filesystem::create_directories(folder() / "data.kg");
    write(folder() / "data.kg" / "theirs", "2");
    test::expect_error(ExitStatus::kIo, {"data.kg", "cannot be renamed"}, [&] { made.commit(); });
  }
  EXPECT_EQ(content(), (Names{"data.kg", "data.kg/theirs"}));
}

TEST_F(Atomic, ATrailingSlashIsNoOtherName) {
  AtomicFolder made(folder() / "data.kg/");
  write(made.temporary() / "x", "1");
  made.commit();
  EXPECT_EQ(content(), (Names{"data.kg", "data.kg/x"}));
}

TEST_F(Atomic, WhatAKilledProcessLeftIsNoObstacle) {
  std::filesystem::path left;
  {
    const AtomicFolder made(folder() / "data.kg");
    left = made.temporary();
  }
  std::filesystem::create_directories(left);
  write(left / "half", "1");
  AtomicFolder made(folder() / "data.kg");
  made.commit();
  EXPECT_EQ(content(), Names{"data.kg"});
}

TEST_F(Atomic, AFolderBelowAFileIsAnIoError) {
  write(folder() / "file", "1");
  test::expect_error(ExitStatus::kIo, {"file"}, [&] { AtomicFolder made(folder() / "file" / "data.kg"); });
  EXPECT_EQ(content(), Names{"file"});
}

TEST_F(Atomic, NamesThatAreTooLongAreAnIoError) {
  const std::string name(300, 'n');
  test::expect_error(ExitStatus::kIo, {"nnn"}, [&] { AtomicFolder made(folder() / name); });
  AtomicFile file(folder() / name);
  test::expect_error(ExitStatus::kIo, {"nnn"}, [&] { file.commit(); });
}

TEST_F(Atomic, RelativeNamesAreOfTheWorkingFolder) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder());
  {
    AtomicFile file("plain.txt");
    write(file.temporary(), "x");
    file.commit();
    AtomicFolder made("plain");
    made.commit();
  }
  std::filesystem::current_path(before);
  EXPECT_EQ(content(), (Names{"plain", "plain.txt"}));
}

TEST_F(Atomic, SyncAndSpace) {
  EXPECT_NO_THROW(storage::sync_path(folder()));
  test::expect_error(ExitStatus::kIo, {"nothing"}, [&] { storage::sync_path(folder() / "nothing"); });
  EXPECT_NO_THROW(storage::require_space(folder(), 1));
  test::expect_error(ExitStatus::kIo, {folder().string(), "free", "8388608.0 TiB are needed"},
                     [&] { storage::require_space(folder(), std::uint64_t{1} << 63U); });
}

// A half-written HDF5 file under a temporary name disappears with its owner.
TEST_F(Atomic, HoldsForHdf5Files) {
  {
    const AtomicFile file(folder() / "a.h5");
    storage::FileWriter writer(file.temporary(), "test", 1);
    writer.write<float>("/x", std::vector<float>(1000), {"x"});
  }
  EXPECT_EQ(content(), Names{});
}

// The id of a process that is no more.
pid_t dead_process() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return child;
}

TEST_F(Atomic, WhatAKilledWriterLeftIsRemovedByTheNext) {
  const std::string own = AtomicFile(folder() / "a.txt").temporary().filename().string();
  const std::string prefix = own.substr(0, own.size() - std::to_string(getpid()).size());
  ASSERT_TRUE(prefix.ends_with("-")) << own;
  const std::string alive = prefix + std::to_string(getppid());
  const std::string dead = prefix + std::to_string(dead_process());
  write(folder() / alive, "x");
  write(folder() / (prefix + "what"), "x");
  write(folder() / ".a.txt.tmp-another.host-1", "x");
  std::filesystem::create_directories(folder() / dead / "inner");
  AtomicFile file(folder() / "a.txt");
  Names expected = {alive, prefix + "what", ".a.txt.tmp-another.host-1"};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(content(), expected);
}

TEST_F(Atomic, AWriterThatHasEndedIsGoneBeforeItsParentKnows) {
  const std::string own = AtomicFile(folder() / "a.txt").temporary().filename().string();
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t ended{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  write(folder() / (own.substr(0, own.size() - std::to_string(getpid()).size()) + std::to_string(child)), "x");
  {
    const AtomicFile file(folder() / "a.txt");
    EXPECT_EQ(content(), Names{});
  }
  waitpid(child, nullptr, 0);
}

TEST_F(Atomic, TheOnlyWriterMayRemoveWhatOtherHostsLeft) {
  for (const char* name : {".a.txt.tmp-another.host-1", ".ab.txt.tmp-another.host-1", "a.txt"})
    write(folder() / name, "x");
  storage::remove_temporaries(folder() / "a.txt");
  EXPECT_EQ(content(), (Names{".ab.txt.tmp-another.host-1", "a.txt"}));
}

TEST_F(Atomic, WhatIsOpenCanBeRemovedAtOnce) {
  const AtomicFolder open(folder() / "data.kg");
  write(open.temporary() / "a", "x");
  AtomicFile committed(folder() / "b.txt");
  write(committed.temporary(), "x");
  committed.commit();
  const AtomicFile file(folder() / "c.txt");
  write(file.temporary(), "x");
  storage::remove_open_temporaries();
  EXPECT_EQ(content(), Names{"b.txt"});
}

}  // namespace
}  // namespace tessera
