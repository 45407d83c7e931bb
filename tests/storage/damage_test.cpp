// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Damaged files. A file that the checksums vouch for is refused before the HDF5 library sees it. One that is opened
// without checksums may make the library itself fail: those readers run in a child, and what happens inside libhdf5 is
// counted and printed; a crash in Tessera, or a wrong number, is a failure.

#include "core/error.hpp"
#include "core/random.hpp"
#include "storage/hdf5.hpp"
#include "storage/raw_file.hpp"
#include "storage/string_blocks.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace tessera {
namespace {

using storage::FileReader;

constexpr std::array<const char*, 6> kDatasets = {"/a/u8", "/a/u32", "/b/c/u64", "/b/c/f32", "/matrix", "/empty"};

void write_sample(const std::filesystem::path& file) {
  storage::FileWriter writer(file, "sample", 1);
  std::vector<std::uint8_t> u8(300);
  std::vector<std::uint32_t> u32(100);
  std::vector<std::uint64_t> u64(64);
  std::vector<float> f32(90);
  for (std::size_t i = 0; i < u8.size(); ++i) u8[i] = static_cast<std::uint8_t>(i * 7);
  for (std::size_t i = 0; i < u32.size(); ++i) u32[i] = static_cast<std::uint32_t>(i * 2654435761U);
  for (std::size_t i = 0; i < u64.size(); ++i) u64[i] = i * i;
  for (std::size_t i = 0; i < f32.size(); ++i) f32[i] = 1.0F / static_cast<float>(i + 1);
  writer.write<std::uint8_t>("/a/u8", u8, {"bytes"});
  writer.write<std::uint32_t>("/a/u32", u32, {"words"});
  writer.write<std::uint64_t>("/b/c/u64", u64, {"squares"});
  writer.write<float>("/b/c/f32", f32, {"inverses"});
  writer.write<float>("/matrix", f32, {"the same as [30, 3]"}, {30, 3});
  writer.write<float>("/empty", std::span<const float>(), {"nothing"});
  writer.attribute("/b", "count", std::uint64_t{42});
  writer.attribute("/b", "ratio", 0.25);
  std::string name;
  const auto names = storage::PackedStrings::encode(1500, [&](std::uint64_t i) {
    name = fmt::format("name {:05}", i);
    return std::string_view(name);
  });
  names.write(writer, "/names", "some names");
  writer.close();
}

/// Everything in the file, as one string.
std::string read_everything(const FileReader& file) {
  std::string all;
  const auto add = [&](const auto& values) {
    all.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  for (const std::string& child : file.children("/")) all += child + ",";
  for (const char* dataset : kDatasets)
    for (const std::uint64_t axis : file.shape(dataset)) all += std::to_string(axis) + " ";
  add(file.read<std::uint8_t>("/a/u8"));
  add(file.read<std::uint32_t>("/a/u32"));
  add(file.read<std::uint64_t>("/b/c/u64"));
  add(file.read<float>("/b/c/f32"));
  add(file.read<float>("/matrix"));
  add(file.read<float>("/empty"));
  all += std::to_string(file.integer("/b", "count")) + std::to_string(file.real("/b", "ratio"));
  all += file.string("/", "kind") + std::to_string(file.integer("/", "format_version"));
  const auto names = storage::StringBlocks::open(file, "/names");
  for (std::uint64_t block = 0; block < names.block_count(); ++block)
    for (const std::string& string : names.block(block)) all += string;
  return all;
}

// Exit codes of the child besides those of Error.
enum Outcome : int {
  kSame = 0,
  kCrashInHdf5 = 90,
  kCrashElsewhere = 91,
  kHang = 92,
  kOtherException = 97,
  kWrongValues = 98
};

extern "C" void on_signal(int signal) {
  if (signal == SIGALRM) _exit(kHang);
  std::array<void*, 64> frames{};
  const int depth = backtrace(frames.data(), static_cast<int>(frames.size()));
  for (int i = 1; i < depth; ++i) {
    Dl_info info;
    if (dladdr(frames.at(static_cast<std::size_t>(i)), &info) == 0 || info.dli_fname == nullptr) continue;
    const std::string_view library = info.dli_fname;
    if (library.find("libhdf5") != std::string_view::npos) _exit(kCrashInHdf5);
    if (library.find("/libc.so") == std::string_view::npos && library.find("/libasan.so") == std::string_view::npos)
      break;
  }
  _exit(kCrashElsewhere);
}

/// Runs `work` in a child process and says how that ended.
template <class Work>
int outcome_in_child(const Work& work, unsigned limit_seconds = 20) {
  const pid_t child = fork();
  if (child == 0) {
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL, SIGALRM}) std::signal(signal, on_signal);
    alarm(limit_seconds);
    try {
      _exit(work() ? kSame : kWrongValues);
    } catch (const Error& error) {
      _exit(static_cast<int>(error.status()));
    } catch (...) {
      _exit(kOtherException);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kCrashElsewhere;
}

int read_in_child(const std::filesystem::path& file, const std::string& expected) {
  return outcome_in_child([&] { return read_everything(FileReader::open_unverified(file)) == expected; });
}

TEST(DamageHarness, TellsOutcomesApart) {
  EXPECT_EQ(outcome_in_child([] { return true; }), kSame);
  EXPECT_EQ(outcome_in_child([] { return false; }), kWrongValues);
  EXPECT_EQ(outcome_in_child([]() -> bool { fail(ExitStatus::kIo, "x"); }), 74);
  EXPECT_EQ(outcome_in_child([]() -> bool { throw std::bad_alloc(); }), kOtherException);
  EXPECT_EQ(outcome_in_child([]() -> bool { return std::raise(SIGSEGV) != 0; }), kCrashElsewhere);
  EXPECT_EQ(outcome_in_child(
                []() -> bool {
                  while (true) pause();
                },
                1),
            kHang);
  // A bad address is read inside the library.
  EXPECT_EQ(outcome_in_child([] {
              const hsize_t extent = std::uint64_t{1} << 30U;
              const hid_t space = H5Screate_simple(1, &extent, nullptr);
              return H5Sselect_elements(space, H5S_SELECT_SET, 1000000, reinterpret_cast<const hsize_t*>(64)) >= 0;
            }),
            kCrashInHdf5);
}

class Damage : public testing::Test {
 protected:
  Damage() {
    write_sample(file());
    auto checksums = storage::FolderChecksums::load(temporary_.path());
    checksums.record("sample.h5");
    checksums.commit();
    sound_ = test::read_bytes(file());
    expected_ = read_everything(FileReader::open_verified(file(), "sample", 1));
  }
  [[nodiscard]] std::filesystem::path file() const { return temporary_.path() / "sample.h5"; }
  [[nodiscard]] const std::vector<char>& sound() const { return sound_; }

  /// One damaged file: the verified way refuses it, the unverified way does not give a wrong number.
  void try_mutant(const std::vector<char>& bytes, const std::string& what) {
    if (bytes == sound_) return;
    test::write_bytes(file(), bytes);
    test::expect_error(ExitStatus::kBadData, {"sample.h5", "do not match their checksum"},
                       [&] { (void)FileReader::open_verified(file(), "sample", 1); });
    const int outcome = read_in_child(file(), expected_);
    ++outcomes_[outcome];
    const bool tolerated = outcome == kSame || outcome == kCrashInHdf5 || outcome == kHang ||
                           outcome == static_cast<int>(ExitStatus::kBadData);
    EXPECT_TRUE(tolerated) << what << ": outcome " << outcome;
  }
  void report() const {
    int all = 0;
    for (const auto& [outcome, count] : outcomes_) all += count;
    const auto count = [&](int outcome) { return outcomes_.contains(outcome) ? outcomes_.at(outcome) : 0; };
    std::printf(
        "%d mutants without checksums: %d refused, %d read back the same, inside libhdf5 %d crashed and %d hung\n", all,
        count(static_cast<int>(ExitStatus::kBadData)), count(kSame), count(kCrashInHdf5), count(kHang));
    EXPECT_GT(count(static_cast<int>(ExitStatus::kBadData)), all / 10);
  }

 private:
  test::TemporaryFolder temporary_;
  std::vector<char> sound_;
  std::string expected_;
  std::map<int, int> outcomes_;
};

TEST_F(Damage, Truncation) {
  std::size_t step = 1;
  for (std::size_t length = 0; length < sound().size(); length += step) {
    try_mutant({sound().begin(), sound().begin() + static_cast<std::ptrdiff_t>(length)},
               fmt::format("cut to {}", length));
    if (length == 100) step = sound().size() / 150;
  }
  report();
}

TEST_F(Damage, OneFlippedBit) {
  const RandomStream stream(1, Purpose::kSplit);
  for (std::uint64_t i = 0; i < 700; ++i) {
    const std::uint64_t bit = stream.below(i, 8 * sound().size());
    std::vector<char> bytes = sound();
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    try_mutant(bytes, fmt::format("bit {}", bit));
  }
  report();
}

TEST_F(Damage, OverwrittenRuns) {
  const RandomStream stream(2, Purpose::kSplit);
  for (std::uint64_t i = 0; i < 200; ++i) {
    std::vector<char> bytes = sound();
    const std::uint64_t first = stream.below(4 * i, bytes.size());
    const std::uint64_t end = std::min<std::uint64_t>(bytes.size(), first + 1 + stream.below(4 * i + 1, 64));
    for (std::uint64_t at = first; at < end; ++at)
      bytes[at] = i % 2 == 0 ? '\0' : static_cast<char>(stream.bits(1000000 + 64 * i + at - first));
    try_mutant(bytes, fmt::format("bytes {} to {}", first, end));
  }
  report();
}

TEST_F(Damage, InsertedRemovedAndAppendedBytes) {
  const RandomStream stream(3, Purpose::kSplit);
  for (std::uint64_t i = 0; i < 100; ++i) {
    std::vector<char> bytes = sound();
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(stream.below(i, bytes.size()));
    if (i % 2 == 0)
      bytes.insert(at, 'x');
    else
      bytes.erase(at);
    try_mutant(bytes, fmt::format("insertion or removal {}", i));
  }
  std::vector<char> longer = sound();
  longer.insert(longer.end(), 1000, 'x');
  try_mutant(longer, "appended");
  report();
}

std::uint64_t offset_in_file(const std::filesystem::path& file, const char* dataset) {
  const hid_t id = H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t opened = H5Dopen2(id, dataset, H5P_DEFAULT);
  const haddr_t offset = H5Dget_offset(opened);
  H5Dclose(opened);
  H5Fclose(id);
  return offset;
}

// The library cannot notice these; the checksum of the dataset does.
TEST_F(Damage, FlippedValuesNameTheirDataset) {
  for (const char* dataset : {"/a/u8", "/a/u32", "/b/c/u64", "/b/c/f32", "/matrix"}) {
    test::write_bytes(file(), sound());
    std::vector<char> bytes = sound();
    bytes.at(offset_in_file(file(), dataset) + 17) ^= 4;
    test::write_bytes(file(), bytes);
    const FileReader reader = FileReader::open_unverified(file());
    for (const char* other : kDatasets) {
      if (std::string_view(other) == dataset)
        test::expect_error(ExitStatus::kBadData, {"sample.h5", dataset, "do not match their checksum"},
                           [&] { (void)reader.check(other); });
      else
        EXPECT_NO_THROW((void)reader.check(other)) << other;
    }
  }
}

TEST_F(Damage, SwappedDatasetsAreNoticed) {
  const auto first = static_cast<std::ptrdiff_t>(offset_in_file(file(), "/b/c/u64"));
  const auto second = static_cast<std::ptrdiff_t>(offset_in_file(file(), "/a/u32"));
  std::vector<char> bytes = sound();
  std::swap_ranges(bytes.begin() + first, bytes.begin() + first + 400, bytes.begin() + second);
  try_mutant(bytes, "swapped values");
  const FileReader reader = FileReader::open_unverified(file());
  for (const char* dataset : {"/b/c/u64", "/a/u32"})
    test::expect_error(ExitStatus::kBadData, {"sample.h5", dataset, "checksum"}, [&] { (void)reader.check(dataset); });
}

// Two datasets of one shape and type that change names carry their checksums along: only the list of the folder
// notices.
TEST_F(Damage, RenamedDatasetsAreNoticedByTheList) {
  const hid_t id = H5Fopen(file().c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  H5Lmove(id, "/a/u8", id, "/x", H5P_DEFAULT, H5P_DEFAULT);
  H5Lmove(id, "/a/u32", id, "/a/u8", H5P_DEFAULT, H5P_DEFAULT);
  H5Lmove(id, "/x", id, "/a/u32", H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(id);
  test::expect_error(ExitStatus::kBadData, {"sample.h5", "do not match their checksum"},
                     [&] { (void)FileReader::open_verified(file(), "sample", 1); });
}

TEST_F(Damage, AnotherFileUnderTheNameIsNoticed) {
  storage::FileWriter writer(file(), "sample", 1);
  writer.close();
  test::expect_error(ExitStatus::kBadData, {"sample.h5", "damaged or belongs to another data set"},
                     [&] { (void)FileReader::open_verified(file(), "sample", 1); });
}

}  // namespace
}  // namespace tessera
