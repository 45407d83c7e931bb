// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/column_choice.hpp"

#include "import_fixture.hpp"
#include "partition/import/format_guess.hpp"

namespace tessera::partition {
namespace {

using Content = TextFormat::Content;
using test::expect_error;

ColumnChoice choose(std::string_view text, const ImportOptions& options = {}, Content content = Content::kTriples) {
  return choose_columns(options, content, "file", text);
}

ImportOptions table(const char* head, const char* relation, const char* tail) {
  ImportOptions options;
  options.triple_columns.head = head;
  options.triple_columns.relation = relation;
  options.triple_columns.tail = tail;
  return options;
}

std::string places(const TextFormat& format) {
  return fmt::format("{} {} {}", format.columns.head, format.columns.relation, format.columns.tail);
}

TEST(ColumnChoice, HeadersAreKnownByTheirWords) {
  EXPECT_TRUE(choose("head\trelation\ttail\na\tr\tb\n").format.header);
  EXPECT_TRUE(choose("Subject,Predicate,Object\na,r,b\n").format.header);
  const ColumnChoice swapped = choose("source,target,relation\na,b,r\n");
  EXPECT_EQ(places(swapped.format), "0 2 1");
  EXPECT_NE(swapped.hint.find("--columns"), std::string::npos);
  EXPECT_NE(swapped.hint.find("--no-header"), std::string::npos);
  const ColumnChoice none = choose("a\tr\tb\nc\tr\td\n");
  EXPECT_FALSE(none.format.header);
  EXPECT_TRUE(none.may_have_header);
}

TEST(ColumnChoice, HeaderOptionsOverride) {
  ImportOptions options;
  options.header = Header::kNo;
  EXPECT_FALSE(choose("head\trelation\ttail\na\tr\tb\n", options).format.header);
  options.header = Header::kYes;
  EXPECT_TRUE(choose("x\ty\tz\na\tr\tb\n", options).format.header);
  options.columns = "hrt";
  EXPECT_EQ(places(choose("source,target,relation\na,b,r\n", options).format), "0 1 2");
}

TEST(ColumnChoice, ACountLineMeansTheOrderOfOpenKe) {
  const ColumnChoice choice = choose("2\n0 1 0\n1 2 0\n");
  EXPECT_EQ(choice.stated_count, 2U);
  EXPECT_EQ(choice.format.separator, Separator::kSpace);
  EXPECT_EQ(places(choice.format), "0 2 1");
}

TEST(ColumnChoice, ColumnsByNameAndNumber) {
  const char* text = "id,from,kind,to,weight\n1,a,r,b,2\n";
  const ColumnChoice named = choose(text, table("from", "kind", "to"));
  EXPECT_EQ(places(named.format), "1 2 3");
  EXPECT_EQ(named.format.count, 5U);
  EXPECT_TRUE(named.format.header);
  EXPECT_EQ(places(choose("a,r,b,x\n", table("3", "2", "1")).format), "2 1 0");
  expect_error(ExitStatus::kUsage, {"--head 'form'", "did you mean 'from'?", "id, from, kind, to, weight"},
               [&] { choose(text, table("form", "kind", "to")); });
  expect_error(ExitStatus::kUsage, {"--tail 9", "5 columns"}, [&] { choose(text, table("from", "kind", "9")); });
  expect_error(ExitStatus::kUsage, {"two columns of this name"},
               [&] { choose("a,a,b\n1,2,3\n", table("a", "a", "b")); });
}

TEST(ColumnChoice, TablesOfEntities) {
  const char* text = "name;kind;id\nA;Gene;1\n";
  ImportOptions options;
  options.node_columns.id = "id";
  const ColumnChoice all = choose(text, options, Content::kNodes);
  ASSERT_EQ(all.format.values.size(), 2U);
  EXPECT_EQ(all.format.values[0].attribute, "name");
  options.node_columns.type = "kind";
  options.node_columns.label = "name";
  const ColumnChoice some = choose(text, options, Content::kNodes);
  EXPECT_EQ(some.format.id, 2U);
  EXPECT_EQ(some.format.values[0].attribute, "type");
  EXPECT_EQ(some.format.values[1].attribute, "label");
}

TEST(ColumnChoice, ContradictionsAreRefused) {
  const auto refuse = [](const ImportOptions& options, const char* part) {
    expect_error(ExitStatus::kUsage, {part}, [&] { check_columns(options); });
  };
  refuse(table("a", "", "b"), "go together");
  ImportOptions options = table("a", "r", "b");
  options.columns = "hrt";
  refuse(options, "--columns");
  options = {};
  options.entities = {"nodes.csv"};
  refuse(options, "--id");
  options.entities.clear();
  options.node_columns.type = "kind";
  refuse(options, "--entities");
}

TEST(FormatGuess, FirstLinesDecide) {
  const auto guess = [](std::string_view text, const char* name = "x") { return guess_format(name, text); };
  EXPECT_EQ(guess("# comment\n\n  <e:s> <e:p> <e:o> .\n"), InputFormat::kNTriples);
  EXPECT_EQ(guess("_:a <e:p> \"x\" .\n"), InputFormat::kNTriples);
  EXPECT_EQ(guess("<e:s> <e:p> <e:o> <e:g> .\n"), InputFormat::kNQuads);
  EXPECT_EQ(guess("<a>\tb\tc\n"), InputFormat::kText);
  EXPECT_EQ(guess("<e:a>\t<e:r>\t<e:b>\n"), InputFormat::kText) << "no full stops";
  EXPECT_EQ(guess("# only comments\n"), InputFormat::kText);
  EXPECT_EQ(guess(""), InputFormat::kText);
  EXPECT_EQ(guess("@prefix e: <http://e/> .\n", "a.nt"), InputFormat::kTurtle);
  EXPECT_EQ(guess("PREFIX e: <http://e/>\n", "a.trig.gz"), InputFormat::kTriG);
  EXPECT_EQ(guess("<a> <b> <c> ;\n <d> <e> .\n", "a.ttl.zst"), InputFormat::kTurtle);
  EXPECT_EQ(guess("<?xml version=\"1.0\"?>\n"), InputFormat::kRdfXml);
}

}  // namespace
}  // namespace tessera::partition
