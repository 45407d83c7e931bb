// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/mapped_file.hpp"

#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

namespace tessera::storage {
namespace {

class MappedFiles : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "rows.bin"; }
  test::TemporaryFolder folder_;
};

TEST_F(MappedFiles, KeepsItsBytesWhenTheirMemoryIsGivenBack) {
  MappedFile file = MappedFile::create(path(), 100'000);
  ASSERT_EQ(file.bytes().size(), 100'000U);
  EXPECT_TRUE(std::all_of(file.bytes().begin(), file.bytes().end(), [](std::byte b) { return b == std::byte{0}; }));
  for (std::size_t i = 0; i < file.bytes().size(); ++i) file.bytes()[i] = static_cast<std::byte>(i * 7);
  file.evict(5000, 60'000);
  file.evict();
  const MappedFile moved = std::move(file);
  for (std::size_t i = 0; i < moved.bytes().size(); ++i) ASSERT_EQ(moved.bytes()[i], static_cast<std::byte>(i * 7));
  const MappedFile again = MappedFile::open(path());
  EXPECT_TRUE(std::equal(again.bytes().begin(), again.bytes().end(), moved.bytes().begin(), moved.bytes().end()));
  EXPECT_FALSE(again.is_writable());
}

TEST_F(MappedFiles, AnEmptyFileIsFine) {
  const MappedFile file = MappedFile::create(path(), 0);
  EXPECT_TRUE(file.bytes().empty());
  file.evict();
}

TEST_F(MappedFiles, ADiskWithoutRoomIsNamedWithTheBytes) {
  test::expect_error(ExitStatus::kIo, {path().string(), "4096.0 TiB"},
                     [&] { (void)MappedFile::create(path(), std::uint64_t{1} << 52U); });
  EXPECT_FALSE(std::filesystem::exists(path()));
  test::expect_error(ExitStatus::kMissingInput, {path().string()}, [&] { (void)MappedFile::open(path()); });
}

TEST_F(MappedFiles, AFileThatBecomesShorterEndsTheProcessWithItsName) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const MappedFile file = MappedFile::create(path(), 1 << 20U);
        std::filesystem::resize_file(path(), 10);
        const volatile std::byte* const bytes = file.bytes().data();
        (void)bytes[500'000];
      },
      testing::ExitedWithCode(74), "rows.bin' cannot be read");
}

}  // namespace
}  // namespace tessera::storage
