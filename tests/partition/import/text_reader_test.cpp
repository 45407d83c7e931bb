// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/text_reader.hpp"

#include "import_fixture.hpp"
#include "partition/import/format_guess.hpp"

namespace tessera::partition {
namespace {

using Strings = std::vector<std::string>;
using test::RecordingSink;

TextFormat guessed() {
  TextFormat format;
  format.separator = Separator::kAuto;
  return format;
}

RecordingSink read(std::string_view text, const TextFormat& format = guessed()) {
  Input input = Input::from_memory("memory", text);
  LineReader lines(input);
  RecordingSink sink;
  TextFormat whole = format;
  if (format.separator == Separator::kAuto) whole.separator = guess_separator(first_lines(lines.sample()));
  read_text(lines, whole, sink);
  return sink;
}

TextFormat separated_by(Separator separator) {
  TextFormat format;
  format.separator = separator;
  return format;
}

TEST(TextReader, TabsCommasSpaces) {
  EXPECT_EQ(read("a\tb\tc\nd\te\tf\n").triples, (Strings{"a|b|c", "d|e|f"}));
  EXPECT_EQ(read("a,b,c\nd,e,f").triples, (Strings{"a|b|c", "d|e|f"}));
  EXPECT_EQ(read("a b c\n  d   e f  \n").triples, (Strings{"a|b|c", "d|e|f"}));
}

TEST(TextReader, FieldsAreTakenAsTheyAre) {
  EXPECT_EQ(read("00123\t_r\t 1.50 \n1e3\t0x10\t+7\n").triples, (Strings{"00123|_r| 1.50 ", "1e3|0x10|+7"}));
  EXPECT_EQ(read("a b\tr,s\t\"c\"\n").triples, (Strings{"a b|r,s|\"c\""}));
  EXPECT_EQ(read("#a\tb\tc\n").triples, (Strings{"#a|b|c"}));
}

TEST(TextReader, EmptyLinesArePassedOver) {
  const RecordingSink found = read("\n\r\na\tb\tc\r\n\n");
  EXPECT_EQ(found.triples, (Strings{"a|b|c"}));
  EXPECT_TRUE(found.bad.empty());
}

TEST(TextReader, TheSeparatorIsTheOneThatCutsMostLinesIntoThree) {
  const auto guess = [](std::string_view text) { return guess_separator(first_lines(text)); };
  EXPECT_EQ(guess("\n\na b\tr,s\tc d\n"), Separator::kTab);
  EXPECT_EQ(guess("a b,r,c\n"), Separator::kComma);
  EXPECT_EQ(guess("\"a,b\",r,c\n"), Separator::kComma);
  EXPECT_EQ(guess("a b;r;c\n"), Separator::kSemicolon);
  EXPECT_EQ(guess("a r c\n"), Separator::kSpace);
  EXPECT_EQ(guess("a,b r c\n"), Separator::kSpace);
  EXPECT_EQ(guess("a\tb\n"), Separator::kTab) << "two columns, but separated by a tab";
  EXPECT_EQ(guess("word\n"), Separator::kTab);
  EXPECT_EQ(guess(""), Separator::kTab);
  EXPECT_EQ(guess("head relation tail\nNew York\tcity in\tUSA\nUSA\thas\tNew York\n"), Separator::kTab);
  EXPECT_EQ(guess_separator({"a b,c", "d,e"}, 2), Separator::kComma);
  EXPECT_EQ(guess_separator({"a b;c;d;e", "f;g h;i;j"}, 0), Separator::kSemicolon);
}

TEST(TextReader, WrongNumbersOfColumns) {
  EXPECT_EQ(
      read("a\tb\tc\na\tb\na\tb\tc\td\nword\n").bad,
      (Strings{"2: expected 3 columns, found 2 (separated by tab)", "3: expected 3 columns, found 4 (separated by tab)",
               "4: expected 3 columns, found 1 (separated by tab)"}));
  EXPECT_EQ(read("a b\n", separated_by(Separator::kSpace)).bad,
            (Strings{"1: expected 3 columns, found 2 (separated by space)"}));
  EXPECT_EQ(read("a,b,c,\n", separated_by(Separator::kComma)).bad,
            (Strings{"1: expected 3 columns, found 4 (separated by comma)"}));
}

TEST(TextReader, EmptyFields) {
  EXPECT_EQ(read("\tb\tc\na\t\tc\na\tb\t\n").bad,
            (Strings{"1: the first column is empty", "2: the second column is empty", "3: the third column is empty"}));
  EXPECT_EQ(read("a,\"\",c\n", separated_by(Separator::kComma)).bad, (Strings{"1: the second column is empty"}));
}

TEST(TextReader, ColumnOrderAndHeader) {
  TextFormat format;
  format.header = true;
  EXPECT_EQ(read("\nhead\trelation\ttail\na\tb\tc\n", format).triples, (Strings{"a|b|c"}));
  format.header = false;
  const auto order = [&](const char* columns) {
    format.columns = ColumnOrder::parse(columns);
    return read("1\t2\t3\n", format).triples.at(0);
  };
  EXPECT_EQ(order("hrt"), "1|2|3");
  EXPECT_EQ(order("htr"), "1|3|2");
  EXPECT_EQ(order("rht"), "2|1|3");
  EXPECT_EQ(order("rth"), "3|1|2");
  EXPECT_EQ(order("thr"), "2|3|1");
  EXPECT_EQ(order("trh"), "3|2|1");
  for (const char* wrong : {"", "hr", "hhr", "hrtt", "xyz", "HRT"})
    test::expect_error(ExitStatus::kUsage, {"columns", wrong}, [&] { ColumnOrder::parse(wrong); });
}

TEST(TextReader, QuotedFields) {
  const TextFormat comma = separated_by(Separator::kComma);
  EXPECT_EQ(read("\"a,b\",r,\"say \"\"hi\"\"\"\n\"\"\"\",r,c\n", comma).triples,
            (Strings{"a,b|r|say \"hi\"", "\"|r|c"}));
  EXPECT_EQ(read("a,\"r\"x,c\n", comma).bad, (Strings{"1: text after the closing double quote of a field"}));
  EXPECT_EQ(read("a,r\"x,c\n", comma).bad, (Strings{"1: a double quote inside a field that is not quoted"}));
  EXPECT_EQ(read("\"a\",\"b\",\"c\",\"d\",\"e\"\n", comma).bad,
            (Strings{"1: expected 3 columns, found 5 (separated by comma)"}));
  EXPECT_EQ(read("\"a\",\"b\",\n", comma).bad, (Strings{"1: the third column is empty"}));
}

TEST(TextReader, AttributesMayHaveEmptyValues) {
  TextFormat format;
  format.content = TextFormat::Content::kAttributes;
  const RecordingSink found = read("e\tage\t42\ne\tnote\t\n\tage\t1\n", format);
  EXPECT_EQ(found.attributes, (Strings{"e|age|42|", "e|note||"}));
  EXPECT_EQ(found.bad, (Strings{"3: the first column is empty"}));
}

TEST(TextReader, QuotedFieldsMayHoldLineBreaks) {
  TextFormat format = separated_by(Separator::kComma);
  format.content = TextFormat::Content::kNodes;
  format.values = {{1, "label"}, {2, "note"}};
  const RecordingSink found = read("a,\"two\nlines\",x\nb,\"\r\n\"\"\r\n\",\n", format);
  EXPECT_EQ(found.attributes, (Strings{"a|label|two\nlines|", "a|note|x|", "b|label|\r\n\"\r\n|"}));
  const TextFormat comma = separated_by(Separator::kComma);
  EXPECT_EQ(read("a,r,\"c\nd\"\nx,r,y\n", comma).bad,
            (Strings{"1: the third column has a tab or a line break, which no name may have (lines 1 to 2)",
                     "2: it belongs to the record of line 1"}));
  EXPECT_EQ(read("x,r,y\na,r,\"c\nd,r,e\n", comma).bad,
            (Strings{"2: a quoted field that begins here does not end (lines 2 to 3)",
                     "3: it belongs to the record of line 2"}));
}

TEST(TextReader, AnOpenQuoteCostsNoMoreThanTheLongestLine) {
  std::string text = "a,r,\"b\n";
  for (int i = 0; i < 50; ++i) text += "c,r,d\n";
  Input input = Input::from_memory("memory", text);
  LineReader lines(input, 64);
  RecordingSink sink;
  read_text(lines, separated_by(Separator::kComma), sink);
  EXPECT_LT(sink.bad.size(), 20U);
  EXPECT_GT(sink.triples.size(), 30U);
}

TEST(TextReader, NamesHaveNoTabs) {
  EXPECT_EQ(read("a\tb,r,c\n", separated_by(Separator::kComma)).bad,
            (Strings{"1: the first column has a tab or a line break, which no name may have"}));
}

TEST(TextReader, PrefixesConstantRelationAndTrimming) {
  TextFormat format = separated_by(Separator::kComma);
  format.count = 2;
  format.columns = {1, kNoColumn, 0};
  format.extras.relation_name = "cites";
  format.extras.head_prefix = "h:";
  format.extras.tail_prefix = "t:";
  EXPECT_EQ(read("a, b \n", format).triples, (Strings{"h: b |cites|t:a"}));
  format.trim = true;
  EXPECT_EQ(read("a, b \n", format).triples, (Strings{"h:b|cites|t:a"}));
}

TEST(TextReader, FaultyLinesAreReportedWithTheirReason) {
  const RecordingSink found = read("a\tb\tc\na\t\xFF\tc\nd\te\tf\n");
  EXPECT_EQ(found.triples, (Strings{"a|b|c", "d|e|f"}));
  EXPECT_EQ(found.bad, (Strings{"2: invalid UTF-8: byte 0xff at column 3"}));
}

}  // namespace
}  // namespace tessera::partition
