// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/id_names.hpp"

#include "import_fixture.hpp"

namespace tessera::partition {
namespace {

using test::expect_error;

TEST(IdNames, AllLayouts) {
  const test::TempFolder folder;
  for (const char* text : {"3\nnew york\t0\nb\t2\nc\t1\n", "0\tnew york\n1\tc\n2\tb\n",
                           "id\tlabel\n0\tnew york\n1\tc\n2\tb\n", "node idx,entity id\n0,new york\n1,c\n2,b\n"}) {
    const IdNames names(folder.write("names", text));
    ASSERT_EQ(names.size(), 3U) << text;
    EXPECT_EQ(*names.find("0"), "new york");
    EXPECT_EQ(*names.find("2"), "b");
    EXPECT_EQ(names.find("3"), nullptr);
    EXPECT_EQ(names.find("x"), nullptr);
  }
  EXPECT_EQ(*IdNames(folder.write("both", "1\t0\n0\t1\n"), false).find("0"), "1");
  EXPECT_EQ(*IdNames(folder.write("both", "0\t1\n1\t0\n"), true).find("0"), "1");
}

TEST(IdNames, BadFiles) {
  const test::TempFolder folder;
  const auto refuse = [&](const char* text, const char* part) {
    expect_error(ExitStatus::kBadData, {"names", part}, [&] { const IdNames names(folder.write("names", text)); });
  };
  refuse("0\ta\n2\tb\n", "neither of its columns");
  refuse("0\ta\n0\tb\n", "neither of its columns");
  refuse("0\ta\n1\ta\n", "two ids cannot have one name");
  refuse("0\ta\n1\t\n", "empty");
  refuse("0\ta\tb\n", "3 columns");
}

TEST(IdNames, TriplesGetNames) {
  const test::TempFolder folder;
  const IdNames names(folder.write("names", "0\ta\n1\tb\n"));
  test::RecordingSink found;
  NamingSink sink(&names, nullptr, found);
  sink.triple("0", "r", "1", 1);
  sink.triple("0", "r", "7", 2);
  EXPECT_EQ(found.triples, (std::vector<std::string>{"a|r|b"}));
  ASSERT_EQ(found.bad.size(), 1U);
  EXPECT_NE(found.bad[0].find("2: '7' is no id"), std::string::npos);
}

}  // namespace
}  // namespace tessera::partition
