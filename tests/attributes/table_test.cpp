// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/table.hpp"

#include "../support/expect_error.hpp"
#include "../support/graph_fixture.hpp"
#include "storage/string_blocks.hpp"

#include <gtest/gtest.h>

namespace tessera::attributes {
namespace {

using Strings = std::vector<std::string>;

/// A column of graph.h5 as version 1 has it.
void write_plain(storage::FileWriter& file, const std::string& group, const std::string& name,
                 const std::vector<std::uint64_t>& entities, const Strings& values,
                 const std::vector<std::uint16_t>& datatypes) {
  std::vector<std::uint64_t> offsets = {0};
  std::string text;
  for (const std::string& value : values) offsets.push_back((text += value).size());
  file.write<std::uint64_t>(group + "/entity", entities, {"entity id"});
  file.write<std::uint64_t>(group + "/value_offsets", offsets, {"offsets", "byte"});
  file.write<char>(group + "/value_bytes", std::span<const char>(text), {"text", "byte"});
  file.write<std::uint16_t>(group + "/datatype", datatypes, {"datatype"});
  file.attribute(group, "name", name);
}

class OldGraph {
 public:
  explicit OldGraph(std::uint64_t last_entity) : path_(folder_.path() / "file.h5") {
    storage::FileWriter file(path_, "test", 1);
    const Strings datatypes = {"", "@en"};
    storage::PackedStrings::encode(datatypes.size(), [&](std::uint64_t i) {
      return std::string_view(datatypes[i]);
    }).write(file, "/attributes/datatypes", "datatypes");
    write_plain(file, "/attributes/columns/000000", "age", {0, 2, 2, last_entity}, {"7", "007", "-0", "1e3"},
                {0, 0, 0, 0});
    write_plain(file, "/attributes/columns/000001", "label", {1}, {"Überland"}, {1});
    file.close();
  }
  [[nodiscard]] storage::FileReader open() const { return storage::FileReader::open_unverified(path_); }

 private:
  test::TemporaryFolder folder_;
  std::filesystem::path path_;
};

TEST(Table, AnOlderGraphIsPackedWhenItIsRead) {
  const OldGraph old(9);
  ASSERT_TRUE(Table::is_in(old.open()));
  const Table table(old.open(), 10);
  EXPECT_EQ(table.schema().names, (Strings{"age", "label"}));
  EXPECT_EQ(table.schema().types, (std::vector<Type>{Type::kNumber, Type::kText}));
  const Column& age = table.column(0);
  const ValueRange range = age.find(2);
  ASSERT_EQ(range.end - range.first, 2U);
  EXPECT_EQ(age.text(range.first), "007");
  EXPECT_EQ(age.text(range.first + 1), "-0");
  EXPECT_EQ(table.column(1).text(0), "Überland");
  EXPECT_EQ(table.datatypes().at(table.column(1).datatype(0)), "@en");
}

TEST(Table, AnOlderGraphWithIdsOutOfRangeIsRefused) {
  const OldGraph old(10);
  test::expect_error(ExitStatus::kBadData, {"/attributes/columns/000000", "inconsistent"},
                     [&] { Table(old.open(), 10); });
}

TEST(Table, ColumnsThatAreChosenAreReadIntoThePool) {
  test::TemporaryFolder folder;
  const auto path = folder.path() / "file.h5";
  const std::vector<std::uint64_t> entities = {3, 5};
  const std::vector<std::uint64_t> offsets = {0, 1, 3};
  const std::string text = "199";
  const std::vector<std::uint32_t> datatypes = {70'000, 70'000};
  TableWriter writer;
  for (const char* name : {"a", "b", "c"}) writer.add(name, {entities, offsets, text, datatypes}, Type::kNumber);
  storage::FileWriter file(path, "test", 1);
  writer.write(file, 6, {}, 70'001);
  file.close();
  const auto reader = storage::FileReader::open_unverified(path);
  memory::Pool pool(1U << 20U);
  const Table table(
      reader, 6, [](const std::string& name) { return name == "b"; }, &pool);
  EXPECT_GT(pool.used_bytes(), 0U);
  EXPECT_EQ(table.schema().size(), 3U);
  EXPECT_EQ(table.column(1).text(1), "99");
  EXPECT_EQ(table.column(1).datatype(0), 70'000U);
  test::expect_error(ExitStatus::kInternal, {"not chosen"}, [&] { static_cast<void>(table.column(0)); });
  test::expect_error(ExitStatus::kBadData, {"6 entities", "7"}, [&] { Table(reader, 7); });
}

TEST(Schema, NamesThatAreNotThereHaveNearOnes) {
  const Schema schema{{"birth_year", "http://e.org/age", "label"}, std::vector<Type>(3, Type::kText)};
  EXPECT_EQ(schema.require("label", ""), 2U);
  test::expect_error(ExitStatus::kUsage, {"--show: the graph has no attribute 'birthyear'; did you mean 'birth_year'?"},
                     [&] { static_cast<void>(schema.require("birthyear", "--show: ")); });
  test::expect_error(ExitStatus::kUsage, {"'http://e.org/age'"}, [&] { static_cast<void>(schema.require("age", "")); });
  test::expect_error(ExitStatus::kUsage, {"'tessera info' lists its 3"},
                     [&] { static_cast<void>(schema.require("population", "")); });
}

}  // namespace
}  // namespace tessera::attributes
