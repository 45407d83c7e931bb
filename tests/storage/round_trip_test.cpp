// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "core/provenance.hpp"
#include "core/random.hpp"
#include "storage/hdf5.hpp"
#include "storage/raw_file.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace tessera {
namespace {

using storage::ElementType;
using storage::FileReader;
using storage::FileWriter;

class RoundTrip : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path file() const { return temporary_.path() / "file.h5"; }
  [[nodiscard]] FileReader reopen() const { return FileReader::open_unverified(file()); }
  void list() const {
    auto checksums = storage::FolderChecksums::load(temporary_.path());
    checksums.record("file.h5");
    checksums.commit();
  }

 private:
  test::TemporaryFolder temporary_;
};

template <class T>
std::vector<T> values_of(std::uint64_t count) {
  const RandomStream stream(1, Purpose::kSplit);
  std::vector<T> values(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t bits = stream.bits(i);
    std::memcpy(&values[i], &bits, sizeof(T));  // any bits: infinities and NaN too
  }
  if (count > 2) {
    values[0] = std::numeric_limits<T>::max();
    values[1] = std::numeric_limits<T>::lowest();
  }
  return values;
}

// Compares bits: NaN equals itself.
template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return std::ranges::equal(std::as_bytes(a), std::as_bytes(b));
}

template <class T>
class RoundTripOf : public RoundTrip {};
using Types = testing::Types<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t, std::int64_t, float, double>;
TYPED_TEST_SUITE(RoundTripOf, Types);

TYPED_TEST(RoundTripOf, EveryShape) {
  using T = TypeParam;
  const std::vector<std::vector<std::uint64_t>> shapes = {{0},    {1},    {2},    {1000}, {3, 5},   {1, 1},
                                                          {0, 5}, {5, 0}, {4, 1}, {1, 7}, {2, 3, 4}};
  FileWriter writer(this->file(), "test", 3);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    std::uint64_t count = 1;
    for (const std::uint64_t axis : shapes[i]) count *= axis;
    const auto values = values_of<T>(count);
    writer.write<T>("/data/" + std::to_string(i), values, {"random bits", "m"}, shapes[i]);
  }
  writer.close();
  const FileReader reader = this->reopen();
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::string path = "/data/" + std::to_string(i);
    std::uint64_t count = 1;
    for (const std::uint64_t axis : shapes[i]) count *= axis;
    const auto expected = values_of<T>(count);
    EXPECT_EQ(reader.shape(path), shapes[i]);
    const auto values = reader.template read<T>(path);
    ASSERT_EQ(values.size(), count);
    EXPECT_TRUE(same_bits<T>(values, expected)) << path;
    EXPECT_EQ(reader.check(path), storage::element_type<T>());
    EXPECT_EQ(reader.string(path, "long_name"), "random bits");
    EXPECT_EQ(reader.string(path, "units"), "m");
    EXPECT_EQ(reader.string(path, "xxh3_128"), storage::hash_values<T>(expected).hex());
  }
}

TYPED_TEST(RoundTripOf, PiecesAndRows) {
  using T = TypeParam;
  const auto values = values_of<T>(60);
  FileWriter writer(this->file(), "test", 1);
  auto dataset = writer.dataset("/matrix", storage::element_type<T>(), {20, 3}, {"in pieces"});
  dataset.append(std::span<const T>(values).first(3));
  dataset.append(std::span<const T>());
  dataset.append(std::span<const T>(values).subspan(3, 30));
  dataset.append(std::span<const T>(values).subspan(33));
  dataset.finish();
  writer.close();
  const FileReader reader = this->reopen();
  const auto all = reader.template read<T>("/matrix");
  EXPECT_TRUE(same_bits<T>(all, values));
  for (std::uint64_t first = 0; first <= 20; ++first)
    for (std::uint64_t count = 0; first + count <= 20; ++count) {
      std::vector<T> rows(3 * count);
      reader.template read_rows<T>("/matrix", first, count, rows);
      ASSERT_TRUE(same_bits<T>(rows, std::span(values).subspan(3 * first, 3 * count))) << first << " " << count;
    }
}

TEST_F(RoundTrip, RowsOutsideAreRefused) {
  FileWriter writer(file(), "test", 1);
  writer.write<float>("/x", std::vector<float>(10), {"ten"});
  writer.close();
  const FileReader reader = reopen();
  std::vector<float> out(4);
  for (const std::uint64_t first : {std::uint64_t{7}, std::uint64_t{10}, std::uint64_t{11}, ~std::uint64_t{0}})
    test::expect_error(ExitStatus::kBadData, {"file.h5", "/x", "outside"},
                       [&] { reader.read_rows<float>("/x", first, 4, out); });
  reader.read_rows<float>("/x", 10, 0, std::span<float>());
  reader.read_rows<float>("/x", 6, 4, out);
}

TEST_F(RoundTrip, AnotherTypeOrSizeIsRefused) {
  FileWriter writer(file(), "test", 1);
  writer.write<std::uint32_t>("/x", std::vector<std::uint32_t>(10), {"ten"});
  writer.close();
  const FileReader reader = reopen();
  test::expect_error(ExitStatus::kBadData, {"file.h5", "/x", "element type"}, [&] { (void)reader.read<float>("/x"); });
  test::expect_error(ExitStatus::kBadData, {"file.h5", "/x", "element type"},
                     [&] { (void)reader.read<std::uint8_t>("/x"); });
  std::vector<std::uint32_t> nine(9);
  test::expect_error(ExitStatus::kBadData, {"file.h5", "/x", "holds 10 elements where 9"},
                     [&] { reader.read_to<std::uint32_t>("/x", nine); });
  test::expect_error(ExitStatus::kBadData, {"file.h5", "/y", "missing"}, [&] { (void)reader.read<float>("/y"); });
  test::expect_error(ExitStatus::kBadData, {"file.h5", "/z/y", "missing"}, [&] { (void)reader.shape("/z/y"); });
}

TEST_F(RoundTrip, Attributes) {
  const std::string unicode = "ünïcode 日本 \xF0\x9F\x98\x80";
  const std::string large(60000, 'x');
  const std::string larger(300000, 'y');
  FileWriter writer(file(), "test", 1);
  writer.attribute("/", "zero", std::uint64_t{0});
  writer.attribute("/", "most", ~std::uint64_t{0});
  writer.attribute("/a/b", "real", 0.1);
  writer.attribute("/a/b", "infinite", std::numeric_limits<double>::infinity());
  writer.attribute("/a", "empty", std::string());
  writer.attribute("/a", "unicode", unicode);
  writer.attribute("/a", "large", large);
  writer.attribute("/a", "larger", larger);
  writer.attribute("/a", "again", std::string("first"));
  writer.attribute("/a", "again", std::string("second, longer"));
  writer.close();
  const FileReader reader = reopen();
  EXPECT_EQ(reader.integer("/", "zero"), 0U);
  EXPECT_EQ(reader.integer("/", "most"), ~std::uint64_t{0});
  EXPECT_EQ(reader.real("/a/b", "real"), 0.1);
  EXPECT_EQ(reader.real("/a/b", "infinite"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(reader.string("/a", "empty"), "");
  EXPECT_EQ(reader.string("/a", "unicode"), unicode);
  EXPECT_EQ(reader.string("/a", "large"), large);
  EXPECT_EQ(reader.string("/a", "larger"), larger);
  EXPECT_EQ(reader.string("/a", "again"), "second, longer");
  EXPECT_EQ(reader.find_string("/a", "unicode"), unicode);
  EXPECT_EQ(reader.find_string("/a", "none"), std::nullopt);
  test::expect_error(ExitStatus::kBadData, {"file.h5", "/a", "none", "missing"},
                     [&] { (void)reader.integer("/a", "none"); });
  test::expect_error(ExitStatus::kBadData, {"/a/b", "real", "integer"}, [&] { (void)reader.integer("/a/b", "real"); });
  test::expect_error(ExitStatus::kBadData, {"zero", "real number"}, [&] { (void)reader.real("/", "zero"); });
  test::expect_error(ExitStatus::kBadData, {"zero", "string"}, [&] { (void)reader.string("/", "zero"); });
  test::expect_error(ExitStatus::kBadData, {"/nowhere", "missing"}, [&] { (void)reader.string("/nowhere", "x"); });
}

TEST_F(RoundTrip, NamesAndProvenance) {
  set_command_line("tessera import a.nt");
  FileWriter writer(file(), "graph", 7);
  writer.write<float>("/b/two", std::vector<float>(1), {"2"});
  writer.write<float>("/b/one", std::vector<float>(1), {"1"});
  writer.write<float>("/a", std::vector<float>(1), {"a"});
  writer.close();
  const FileReader reader = reopen();
  EXPECT_EQ(reader.children("/"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(reader.children("/b"), (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(reader.has("/b/one"));
  EXPECT_TRUE(reader.has("/b"));
  EXPECT_FALSE(reader.has("/b/three"));
  EXPECT_FALSE(reader.has("/c/one"));
  EXPECT_EQ(reader.string("/", "kind"), "graph");
  EXPECT_EQ(reader.integer("/", "format_version"), 7U);
  EXPECT_EQ(reader.string("/", "command_line"), "tessera import a.nt");
  EXPECT_EQ(reader.string("/", "Conventions"), "Tessera-1");
  for (const char* name : {"tessera_version", "git_commit", "host", "date_created"})
    EXPECT_FALSE(reader.string("/", name).empty()) << name;
}

TEST_F(RoundTrip, OpenVerifiedChecksListKindAndVersion) {
  FileWriter writer(file(), "graph", 2);
  writer.close();
  test::expect_error(ExitStatus::kMissingInput, {"file.h5", "not listed"},
                     [&] { (void)FileReader::open_verified(file(), "graph", 2); });
  list();
  EXPECT_NO_THROW((void)FileReader::open_verified(file(), "graph", 2));
  EXPECT_NO_THROW((void)FileReader::open_verified(file(), "graph", 3)) << "older formats are read";
  test::expect_error(ExitStatus::kBadData, {"file.h5", "format 2 is newer", "(1)"},
                     [&] { (void)FileReader::open_verified(file(), "graph", 1); });
  test::expect_error(ExitStatus::kBadData, {"file.h5", "'graph'", "'part'"},
                     [&] { (void)FileReader::open_verified(file(), "part", 2); });
}

TEST_F(RoundTrip, MisuseIsADefectNotAFile) {
  FileWriter writer(file(), "test", 1);
  auto dataset = writer.dataset("/m", ElementType::kF32, {4, 2}, {"m"});
  const std::vector<float> values(10);
  const auto piece = [&](std::size_t n) { dataset.append(std::span<const float>(values).first(n)); };
  test::expect_error(ExitStatus::kInternal, {"/m"}, [&] { piece(3); });  // not a whole row
  test::expect_error(ExitStatus::kInternal, {"/m"}, [&] { piece(10); });
  piece(6);
  test::expect_error(ExitStatus::kInternal, {"/m"}, [&] { dataset.finish(); });
  test::expect_error(ExitStatus::kInternal, {"/m"}, [&] { piece(4); });
  piece(2);
  dataset.finish();
}

TEST_F(RoundTrip, WritingWhereOneCannotIsAnIoError) {
  test::expect_error(ExitStatus::kIo, {"/nowhere/file.h5"}, [] { FileWriter("/nowhere/file.h5", "test", 1); });
  test::expect_error(ExitStatus::kIo, {file().parent_path().string()},
                     [&] { FileWriter(file().parent_path(), "test", 1); });
}

// What others see with the C library, without Tessera: little-endian, contiguous, no filter, UTF-8, checksummed
// superblock.
TEST_F(RoundTrip, OnDisk) {
  FileWriter writer(file(), "test", 1);
  writer.write<std::uint16_t>("/g/x", std::vector<std::uint16_t>{1, 2, 0xFFFE}, {"numbers", "byte"});
  writer.close();
  EXPECT_EQ(test::read_bytes(file()).at(8), 3) << "superblock version of format V110";
  const hid_t id = H5Fopen(file().c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t dataset = H5Dopen2(id, "/g/x", H5P_DEFAULT);
  const hid_t type = H5Dget_type(dataset);
  EXPECT_GT(H5Tequal(type, H5T_STD_U16LE), 0);
  const hid_t creation = H5Dget_create_plist(dataset);
  EXPECT_EQ(H5Pget_layout(creation), H5D_CONTIGUOUS);
  EXPECT_EQ(H5Pget_nfilters(creation), 0);
  std::vector<std::uint16_t> values(3);
  H5Dread(dataset, H5T_NATIVE_UINT16, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  EXPECT_EQ(values, (std::vector<std::uint16_t>{1, 2, 0xFFFE}));
  const hid_t attribute = H5Aopen(dataset, "units", H5P_DEFAULT);
  const hid_t string = H5Aget_type(attribute);
  EXPECT_EQ(H5Tget_cset(string), H5T_CSET_UTF8);
  EXPECT_EQ(H5Tis_variable_str(string), 0);
  for (const hid_t open : {string, attribute, creation, type, dataset, id}) H5Idec_ref(open);
}

TEST_F(RoundTrip, ThingsThatAreNoHdf5) {
  test::expect_error(ExitStatus::kMissingInput, {"file.h5", "not a file"}, [&] { (void)reopen(); });
  test::expect_error(ExitStatus::kMissingInput, {"not a file"},
                     [&] { (void)FileReader::open_unverified(file().parent_path()); });
  for (const std::string& content :
       {std::string(), std::string("text"), std::string("\x89HDF\r\n\x1a\n"), std::string(5000, '\0')}) {
    test::write_bytes(file(), {content.begin(), content.end()});
    test::expect_error(ExitStatus::kBadData, {"file.h5", "cannot be read as HDF5"}, [&] { (void)reopen(); });
    list();
    test::expect_error(ExitStatus::kBadData, {"file.h5"}, [&] { (void)FileReader::open_verified(file(), "test", 1); });
  }
}

}  // namespace
}  // namespace tessera
