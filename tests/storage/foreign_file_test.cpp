// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Sound HDF5 files that hold what Tessera refuses: each is an error that names file and dataset.

#include "core/error.hpp"
#include "storage/hdf5.hpp"
#include "storage/raw_file.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace tessera {
namespace {

using storage::FileReader;
using test::RawFile;

class ForeignFile : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path path(const std::string& name = "foreign.h5") const {
    return temporary_.path() / name;
  }
  FileReader make(const std::function<void(const RawFile&)>& fill) const {
    {
      const RawFile file(path());
      fill(file);
    }
    return FileReader::open_unverified(path());
  }
  static void refuse(std::initializer_list<std::string_view> words, const std::function<void()>& work) {
    test::expect_error(ExitStatus::kBadData, words, work);
  }
  /// All ways to get at a dataset refuse it, naming file and dataset.
  static void refuse_dataset(const FileReader& reader, const std::string& name, std::string_view reason) {
    SCOPED_TRACE(name);
    std::vector<std::uint8_t> one(1);
    refuse({"foreign.h5", name, reason}, [&] { (void)reader.read<std::uint8_t>(name); });
    refuse({"foreign.h5", name, reason}, [&] { reader.read_to<std::uint8_t>(name, one); });
    refuse({"foreign.h5", name, reason}, [&] { reader.read_rows<std::uint8_t>(name, 0, 1, one); });
    refuse({"foreign.h5", name, reason}, [&] { (void)reader.check(name); });
  }

 private:
  test::TemporaryFolder temporary_;
};

TEST_F(ForeignFile, SoftLinks) {
  const auto reader = make([](const RawFile& file) {
    file.dataset("/real", H5T_STD_U8LE, {4});
    file.group("/group");
    file.dataset("/group/x", H5T_STD_U8LE, {4});
    file.attribute("/group", "count", std::uint64_t{1});
    H5Lcreate_soft("/real", file.id(), "/soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/group", file.id(), "/soft_group", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nothing", file.id(), "/dangling", H5P_DEFAULT, H5P_DEFAULT);
  });
  refuse_dataset(reader, "/soft", "link");
  refuse_dataset(reader, "/soft_group/x", "link");
  refuse_dataset(reader, "/dangling", "link");
  refuse({"/soft_group", "link"}, [&] { (void)reader.children("/soft_group"); });
  refuse({"/soft_group", "link"}, [&] { (void)reader.integer("/soft_group", "count"); });
  refuse({"/soft_group", "link"}, [&] { (void)reader.find_string("/soft_group", "count"); });
  refuse({"/soft_group", "link"}, [&] { (void)reader.find_string("/soft_group", "absent"); });
  refuse({"/soft", "link"}, [&] { (void)reader.has("/soft"); });
  refuse({"/soft_group", "link"}, [&] { (void)reader.has("/soft_group/x"); });
  refuse({"/dangling", "link"}, [&] { (void)reader.has("/dangling"); });
}

TEST_F(ForeignFile, ExternalLinks) {
  {
    const RawFile other(path("other.h5"));
    other.group("/group");
    other.dataset("/group/x", H5T_STD_U8LE, {4});
    other.attribute("/group", "secret", std::string("of another file"));
  }
  const auto reader = make([&](const RawFile& file) {
    H5Lcreate_external("other.h5", "/group", file.id(), "/out", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/group/x", file.id(), "/out_x", H5P_DEFAULT, H5P_DEFAULT);
  });
  refuse_dataset(reader, "/out_x", "link");
  refuse_dataset(reader, "/out/x", "link");
  refuse({"/out", "link"}, [&] { (void)reader.children("/out"); });
  refuse({"/out", "link"}, [&] { (void)reader.string("/out", "secret"); });
  refuse({"/out", "link"}, [&] { (void)reader.find_string("/out", "secret"); });
  refuse({"/out", "link"}, [&] { (void)reader.find_string("/out", "absent"); });
  refuse({"/out", "link"}, [&] { (void)reader.has("/out/x"); });
}

TEST_F(ForeignFile, FiltersAndChunks) {
  const auto reader = make([](const RawFile& file) {
    const hsize_t chunk = 16;
    const hid_t chunked = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(chunked, 1, &chunk);
    file.dataset("/chunked", H5T_STD_U8LE, {100}, chunked);
    H5Pset_fletcher32(chunked);
    file.dataset("/fletcher", H5T_STD_U8LE, {100}, chunked);
    const hid_t gzip = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(gzip, 1, &chunk);
    H5Pset_deflate(gzip, 6);
    const hid_t dataset = file.dataset("/gzip", H5T_STD_U8LE, {100}, gzip);
    const std::vector<std::uint8_t> values(100, 7);
    H5Dwrite(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  });
  for (const char* name : {"/chunked", "/fletcher", "/gzip"}) refuse_dataset(reader, name, "refused");
}

TEST_F(ForeignFile, ExternalAndVirtualStorage) {
  test::write_bytes(path("secret"), std::vector<char>(100, 's'));
  const std::string secret = path("secret").string();
  const auto reader = make([&](const RawFile& file) {
    const hid_t external = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(external, secret.c_str(), 0, 100);
    file.dataset("/external", H5T_STD_U8LE, {100}, external);
    const hid_t virtually = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t extent = 100;
    const hid_t space = H5Screate_simple(1, &extent, nullptr);
    H5Pset_virtual(virtually, space, "other.h5", "/x", space);
    file.dataset("/virtual", H5T_STD_U8LE, {100}, virtually);
  });
  refuse_dataset(reader, "/external", "refused");
  refuse_dataset(reader, "/virtual", "refused");
}

TEST_F(ForeignFile, OtherElementTypes) {
  const auto reader = make([](const RawFile& file) {
    const hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    file.dataset("/variable_string", text, {3});
    file.dataset("/sequence", H5Tvlen_create(H5T_STD_U8LE), {3});
    file.dataset("/big_endian", H5T_STD_U16BE, {3});
    file.dataset("/signed", H5T_STD_I8LE, {3});
    const hid_t pair = H5Tcreate(H5T_COMPOUND, 2);
    H5Tinsert(pair, "a", 0, H5T_STD_U8LE);
    H5Tinsert(pair, "b", 1, H5T_STD_U8LE);
    file.dataset("/compound", pair, {3});
    const hsize_t two = 2;
    file.dataset("/array", H5Tarray_create2(H5T_STD_U8LE, 1, &two), {3});
    file.dataset("/opaque", H5Tcreate(H5T_OPAQUE, 1), {3});
    file.dataset("/reference", H5T_STD_REF_OBJ, {3});
    const hid_t odd = H5Tcopy(H5T_STD_U8LE);
    H5Tset_precision(odd, 5);
    file.dataset("/five_bits", odd, {3});
  });
  for (const char* name : {"/variable_string", "/sequence", "/big_endian", "/signed", "/compound", "/array", "/opaque",
                           "/reference", "/five_bits"}) {
    std::vector<std::uint8_t> three(3);
    refuse({"foreign.h5", name}, [&] { (void)reader.read<std::uint8_t>(name); });
    refuse({"foreign.h5", name}, [&] { reader.read_rows<std::uint8_t>(name, 0, 3, three); });
    refuse({"foreign.h5", name, "element type"}, [&] { (void)reader.check(name); });
  }
}

// Contiguous storage is allocated when it is first written: a file of a kilobyte can claim any extent.
TEST_F(ForeignFile, HugeClaimedExtents) {
  const auto reader = make([](const RawFile& file) {
    file.dataset("/line", H5T_STD_U8LE, {hsize_t{1} << 60U});
    file.dataset("/square", H5T_STD_U8LE, {hsize_t{1} << 40U, hsize_t{1} << 20U});
    file.dataset("/wraps", H5T_STD_U8LE, {hsize_t{1} << 31U, hsize_t{1} << 31U});
    file.dataset("/slightly", H5T_STD_U8LE, {100000});
  });
  for (const char* name : {"/line", "/square", "/wraps", "/slightly"}) {
    SCOPED_TRACE(name);
    refuse({"foreign.h5", name, "larger than its file"}, [&] { (void)reader.read<std::uint8_t>(name); });
    refuse({"foreign.h5", name, "larger than its file"}, [&] { (void)reader.shape(name); });
    refuse({"foreign.h5", name, "larger than its file"}, [&] { (void)reader.check(name); });
  }
}

TEST_F(ForeignFile, OddDataspaces) {
  const auto reader = make([](const RawFile& file) {
    file.dataset("/scalar", H5T_STD_U8LE, {});
    H5Dcreate2(file.id(), "/null", H5T_STD_U8LE, H5Screate(H5S_NULL), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    file.dataset("/matrix", H5T_STD_U8LE, {2, 3});
  });
  refuse_dataset(reader, "/scalar", "");
  refuse_dataset(reader, "/null", "");
  std::vector<std::uint8_t> two(2);
  refuse({"foreign.h5", "/matrix"}, [&] { reader.read_rows<std::uint8_t>("/matrix", 0, 2, two); });  // 6 values, not 2
}

TEST_F(ForeignFile, OnlyColumnsHaveALength) {
  const auto reader = make([](const RawFile& file) {
    file.dataset("/column", H5T_STD_U8LE, {7});
    file.dataset("/scalar", H5T_STD_U8LE, {});
    file.dataset("/matrix", H5T_STD_U8LE, {7, 1});
  });
  EXPECT_EQ(reader.length("/column"), 7U);
  refuse({"foreign.h5", "/scalar", "0 axes"}, [&] { (void)reader.length("/scalar"); });
  refuse({"foreign.h5", "/matrix", "2 axes"}, [&] { (void)reader.length("/matrix"); });
}

TEST_F(ForeignFile, ADatasetWithoutItsChecksum) {
  const auto reader = make([](const RawFile& file) { file.dataset("/plain", H5T_STD_U8LE, {1}); });
  refuse({"foreign.h5", "/plain", "xxh3_128", "missing"}, [&] { (void)reader.read<std::uint8_t>("/plain"); });
}

TEST_F(ForeignFile, GroupsDatasetsAndTypesMixedUp) {
  const auto reader = make([](const RawFile& file) {
    file.group("/group");
    file.dataset("/data", H5T_STD_U8LE, {3});
    H5Tcommit2(file.id(), "/type", H5Tcopy(H5T_STD_U8LE), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  });
  refuse_dataset(reader, "/group", "cannot be opened");
  refuse_dataset(reader, "/type", "cannot be opened");
  refuse_dataset(reader, "/data/inside", "");
  refuse({"/data", "cannot be opened"}, [&] { (void)reader.children("/data"); });
  refuse({"/none"}, [&] { (void)reader.children("/none"); });
  EXPECT_FALSE(reader.has("/data/inside"));
}

TEST_F(ForeignFile, Attributes) {
  const std::array<std::uint64_t, 2> two = {1, 2};
  const std::int64_t negative = -5;
  const std::int64_t positive = 5;
  const double real = 1.5;
  const char* variable = "of variable length";
  const auto reader = make([&](const RawFile& file) {
    file.attribute("/", "two", H5T_STD_U64LE, two.data(), {2});
    file.attribute("/", "negative", H5T_STD_I64LE, &negative);
    file.attribute("/", "positive", H5T_STD_I64LE, &positive);
    file.attribute("/", "real", H5T_IEEE_F64LE, &real);
    file.attribute("/", "not_utf8", std::string("caf\xE9"));
    file.attribute("/", "huge", std::string((1U << 20U) + 1, 'x'));
    const hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    file.attribute("/", "variable", text, &variable);
    const hid_t null_space = H5Screate(H5S_NULL);
    H5Aclose(H5Acreate2(file.id(), "null", H5T_STD_U64LE, null_space, H5P_DEFAULT, H5P_DEFAULT));
    const hsize_t pair = 2;
    file.attribute("/", "array", H5Tarray_create2(H5T_STD_U64LE, 1, &pair), two.data());
  });
  refuse({"foreign.h5", "two", "single value"}, [&] { (void)reader.integer("/", "two"); });
  refuse({"foreign.h5", "null", "single value"}, [&] { (void)reader.integer("/", "null"); });
  refuse({"foreign.h5", "array", "integer"}, [&] { (void)reader.integer("/", "array"); });
  refuse({"foreign.h5", "real", "integer"}, [&] { (void)reader.integer("/", "real"); });
  refuse({"foreign.h5", "negative", "integer"}, [&] { (void)reader.integer("/", "negative"); });
  EXPECT_EQ(reader.integer("/", "positive"), 5U) << "what h5py writes";
  refuse({"foreign.h5", "not_utf8", "UTF-8"}, [&] { (void)reader.string("/", "not_utf8"); });
  refuse({"foreign.h5", "huge", "string"}, [&] { (void)reader.string("/", "huge"); });
  refuse({"foreign.h5", "variable", "fixed length"}, [&] { (void)reader.string("/", "variable"); });
  refuse({"foreign.h5", "positive", "string"}, [&] { (void)reader.string("/", "positive"); });
}

TEST_F(ForeignFile, OpenVerifiedNeedsKindAndVersion) {
  const auto open = [&](const std::function<void(const RawFile&)>& fill) {
    (void)make(fill);
    auto checksums = storage::FolderChecksums::load(path().parent_path());
    checksums.record("foreign.h5");
    checksums.commit();
    (void)FileReader::open_verified(path(), "part", 1);
  };
  refuse({"foreign.h5", "kind", "missing"}, [&] { open([](const RawFile&) {}); });
  refuse({"foreign.h5", "format_version", "missing"},
         [&] { open([](const RawFile& file) { file.attribute("/", "kind", std::string("part")); }); });
  refuse({"foreign.h5", "kind"},
         [&] { open([](const RawFile& file) { file.attribute("/", "kind", std::uint64_t{1}); }); });
  refuse({"foreign.h5", "format_version", "integer"}, [&] {
    open([](const RawFile& file) {
      file.attribute("/", "kind", std::string("part"));
      file.attribute("/", "format_version", std::string("1"));
    });
  });
}

TEST_F(ForeignFile, HardLinkCyclesAreFoundByName) {
  const auto reader = make([](const RawFile& file) {
    file.group("/a");
    H5Lcreate_hard(file.id(), "/a", file.id(), "/a/again", H5P_DEFAULT, H5P_DEFAULT);
  });
  EXPECT_EQ(reader.children("/a/again/again"), (std::vector<std::string>{"again"}));
}

}  // namespace
}  // namespace tessera
