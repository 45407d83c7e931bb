// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Calls of HDF5 that fail: this program puts itself before the library, and each failure must be an error.

#include "core/error.hpp"
#include "storage/hdf5.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

std::string failing;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): C functions have no state
int calls = 0;        // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

template <class Result, class... Args>
Result call(const char* name, Result failure, Args... args) {
  if (failing == name) {
    ++calls;
    return failure;
  }
  return reinterpret_cast<Result (*)(Args...)>(dlsym(RTLD_NEXT, name))(args...);
}

}  // namespace

#define TESSERA_STRING(name) #name
// The header may rename a function (H5Literate to H5Literate1), so the name is taken after that.
#define TESSERA_FAILING(result, failure, name, parameters, ...) \
  extern "C" result name parameters { return call<result>(TESSERA_STRING(name), failure, __VA_ARGS__); }

TESSERA_FAILING(htri_t, -1, H5Lexists, (hid_t id, const char* name, hid_t list), id, name, list)
TESSERA_FAILING(herr_t, -1, H5Lget_info, (hid_t id, const char* name, H5L_info_t* info, hid_t list), id, name, info,
                list)
TESSERA_FAILING(herr_t, -1, H5Literate,
                (hid_t id, H5_index_t index, H5_iter_order_t order, hsize_t* at, H5L_iterate_t work, void* data), id,
                index, order, at, work, data)
TESSERA_FAILING(hid_t, -1, H5Oopen, (hid_t id, const char* name, hid_t list), id, name, list)
TESSERA_FAILING(H5I_type_t, H5I_BADID, H5Iget_type, (hid_t id), id)
TESSERA_FAILING(hid_t, -1, H5Gopen2, (hid_t id, const char* name, hid_t list), id, name, list)
TESSERA_FAILING(hid_t, -1, H5Dopen2, (hid_t id, const char* name, hid_t list), id, name, list)
TESSERA_FAILING(hid_t, -1, H5Dget_type, (hid_t id), id)
TESSERA_FAILING(hid_t, -1, H5Dget_space, (hid_t id), id)
TESSERA_FAILING(hid_t, -1, H5Dget_create_plist, (hid_t id), id)
TESSERA_FAILING(herr_t, -1, H5Dread, (hid_t id, hid_t type, hid_t memory, hid_t file, hid_t list, void* out), id, type,
                memory, file, list, out)
TESSERA_FAILING(herr_t, -1, H5Dwrite, (hid_t id, hid_t type, hid_t memory, hid_t file, hid_t list, const void* in), id,
                type, memory, file, list, in)
TESSERA_FAILING(H5D_layout_t, H5D_LAYOUT_ERROR, H5Pget_layout, (hid_t id), id)
TESSERA_FAILING(int, -1, H5Pget_nfilters, (hid_t id), id)
TESSERA_FAILING(int, -1, H5Pget_external_count, (hid_t id), id)
TESSERA_FAILING(htri_t, -1, H5Tequal, (hid_t one, hid_t two), one, two)
TESSERA_FAILING(std::size_t, 0, H5Tget_size, (hid_t id), id)
TESSERA_FAILING(H5T_class_t, H5T_NO_CLASS, H5Tget_class, (hid_t id), id)
TESSERA_FAILING(htri_t, -1, H5Tis_variable_str, (hid_t id), id)
TESSERA_FAILING(int, -1, H5Sget_simple_extent_ndims, (hid_t id), id)
TESSERA_FAILING(int, -1, H5Sget_simple_extent_dims, (hid_t id, hsize_t* sizes, hsize_t* most), id, sizes, most)
TESSERA_FAILING(hssize_t, -1, H5Sget_simple_extent_npoints, (hid_t id), id)
TESSERA_FAILING(herr_t, -1, H5Sselect_hyperslab,
                (hid_t id, H5S_seloper_t op, const hsize_t* start, const hsize_t* stride, const hsize_t* count,
                 const hsize_t* block),
                id, op, start, stride, count, block)
TESSERA_FAILING(hid_t, -1, H5Screate_simple, (int rank, const hsize_t* sizes, const hsize_t* most), rank, sizes, most)
TESSERA_FAILING(htri_t, -1, H5Aexists, (hid_t id, const char* name), id, name)
TESSERA_FAILING(htri_t, -1, H5Aexists_by_name, (hid_t id, const char* object, const char* name, hid_t list), id, object,
                name, list)
TESSERA_FAILING(hid_t, -1, H5Aopen_by_name, (hid_t id, const char* object, const char* name, hid_t one, hid_t two), id,
                object, name, one, two)
TESSERA_FAILING(hid_t, -1, H5Aget_space, (hid_t id), id)
TESSERA_FAILING(hid_t, -1, H5Aget_type, (hid_t id), id)
TESSERA_FAILING(herr_t, -1, H5Aread, (hid_t id, hid_t type, void* out), id, type, out)
TESSERA_FAILING(herr_t, -1, H5Awrite, (hid_t id, hid_t type, const void* in), id, type, in)
TESSERA_FAILING(herr_t, -1, H5Fflush, (hid_t id, H5F_scope_t scope), id, scope)

namespace tessera {
namespace {

using storage::FileReader;
using storage::FileWriter;

const std::array<std::uint16_t, 4> kValues = {1, 2, 3, 4};

class LibraryFault : public testing::Test {
 protected:
  void SetUp() override { write(); }
  void TearDown() override { failing.clear(); }
  [[nodiscard]] std::filesystem::path path() const { return temporary_.path() / "sample.h5"; }
  void write() const {
    FileWriter writer(path(), "sample", 1);
    writer.write<std::uint16_t>("/group/values", kValues, {"values"});
    writer.attribute("/group", "count", std::uint64_t{4});
    writer.attribute("/group", "share", 0.5);
    writer.attribute("/group", "name", std::string("a"));
    writer.close();
  }
  /// `work` with a call that fails is an error; each call must take place in some work.
  static bool is_refused(const char* call, ExitStatus status, const std::function<void()>& work) {
    SCOPED_TRACE(call);
    failing = call;
    calls = 0;
    try {
      work();
      EXPECT_EQ(calls, 0) << call << " failed, and nobody was told";
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.status()), static_cast<int>(status)) << error.what();
      EXPECT_NE(std::string_view(error.what()).find("sample.h5"), std::string_view::npos) << error.what();
    }
    failing.clear();
    return calls > 0;
  }

 private:
  test::TemporaryFolder temporary_;
};

TEST_F(LibraryFault, WhileReadingIsAnError) {
  const FileReader reader = FileReader::open_unverified(path());
  const std::vector<std::function<void()>> works = {
      [&] { EXPECT_TRUE(reader.has("/group/values")); },
      [&] { EXPECT_FALSE(reader.has("/group/none")); },
      [&] { EXPECT_FALSE(reader.has("/group/values/none")); },
      [&] { EXPECT_TRUE(reader.is_dataset("/group/values")); },
      [&] { EXPECT_EQ(reader.children("/group"), std::vector<std::string>{"values"}); },
      [&] { EXPECT_EQ(reader.length("/group/values"), 4U); },
      [&] {
        EXPECT_EQ(reader.read<std::uint16_t>("/group/values"), std::vector<std::uint16_t>({1, 2, 3, 4}));
      },
      [&] { EXPECT_EQ(reader.check("/group/values"), storage::ElementType::kU16); },
      [&] {
        std::array<std::uint16_t, 2> middle{};
        reader.read_rows<std::uint16_t>("/group/values", 1, 2, middle);
        EXPECT_EQ(middle, (std::array<std::uint16_t, 2>{2, 3}));
      },
      [&] { EXPECT_EQ(reader.integer("/group", "count"), 4U); },
      [&] { EXPECT_EQ(reader.real("/group", "share"), 0.5); },
      [&] { EXPECT_EQ(reader.find_string("/group", "name"), "a"); },
      [&] { EXPECT_EQ(reader.find_string("/group", "none"), std::nullopt); },
  };
  for (const auto& work : works) work();
  for (const char* call : {"H5Lexists",
                           "H5Lget_info",
                           "H5Literate",
                           "H5Oopen",
                           "H5Iget_type",
                           "H5Gopen2",
                           "H5Dopen2",
                           "H5Dget_type",
                           "H5Dget_space",
                           "H5Dget_create_plist",
                           "H5Dread",
                           "H5Pget_layout",
                           "H5Pget_nfilters",
                           "H5Pget_external_count",
                           "H5Tequal",
                           "H5Tget_size",
                           "H5Tget_class",
                           "H5Tis_variable_str",
                           "H5Sget_simple_extent_ndims",
                           "H5Sget_simple_extent_dims",
                           "H5Sget_simple_extent_npoints",
                           "H5Sselect_hyperslab",
                           "H5Screate_simple",
                           "H5Aexists_by_name",
                           "H5Aopen_by_name",
                           "H5Aget_space",
                           "H5Aget_type",
                           "H5Aread"}) {
    bool happened = false;
    for (const auto& work : works) happened = is_refused(call, ExitStatus::kBadData, work) || happened;
    EXPECT_TRUE(happened) << call << " is never called";
  }
}

TEST_F(LibraryFault, WhileWritingIsAnError) {
  for (const char* call : {"H5Lexists", "H5Oopen", "H5Dget_space", "H5Dwrite", "H5Sselect_hyperslab",
                           "H5Screate_simple", "H5Aexists", "H5Awrite", "H5Fflush"})
    EXPECT_TRUE(is_refused(call, ExitStatus::kIo, [&] { write(); })) << call << " is never called";
}

// What was there when the file was opened is gone when it is read: not the same as "there is no such thing".
TEST_F(LibraryFault, AFileThatIsCutWhileOpenIsNotAnEmptyOne) {
  const FileReader reader = FileReader::open_unverified(path());
  std::filesystem::resize_file(path(), 96);
  test::expect_error(ExitStatus::kBadData, {"sample.h5", "/group/values"}, [&] { (void)reader.has("/group/values"); });
  test::expect_error(ExitStatus::kBadData, {"sample.h5", "/group"},
                     [&] { (void)reader.find_string("/group", "name"); });
}

}  // namespace
}  // namespace tessera
