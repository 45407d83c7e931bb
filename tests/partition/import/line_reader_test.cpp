// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/line_reader.hpp"

#include "core/text.hpp"
#include "import_fixture.hpp"
#include "partition/import/utf8.hpp"

#include <vector>

namespace tessera::partition {
namespace {

using namespace std::string_literals;

std::vector<std::string> lines_of(std::string_view text, std::uint64_t longest = LineReader::kLongestLineBytes,
                                  bool allow_nul = false) {
  Input input = Input::from_memory("memory", text);
  LineReader reader(input, longest);
  if (allow_nul) reader.allow_nul();
  std::vector<std::string> lines;
  for (Line line; reader.next(line);) {
    EXPECT_EQ(line.number, lines.size() + 1);
    lines.push_back(line.fault.empty() ? std::string(line.text) : "! " + line.fault);
  }
  EXPECT_EQ(reader.lines(), lines.size());
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineReader, LineEnds) {
  EXPECT_EQ(lines_of("a\nb\n"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of("a\nb"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of("a\r\nb\r\n"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of("a\r\nb\r"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of("\n\na\n\n"), (Lines{"", "", "a", ""}));
  EXPECT_EQ(lines_of("\n"), (Lines{""}));
  EXPECT_EQ(lines_of("a\rb\n"), (Lines{"a\rb"}));
}

TEST(LineReader, ByteOrderMarkOnlyAtTheStart) {
  EXPECT_EQ(lines_of("\xEF\xBB\xBF"
                     "a\nb\n"),
            (Lines{"a", "b"}));
  EXPECT_EQ(lines_of("\xEF\xBB\xBF"
                     "a"),
            (Lines{"a"}));
  EXPECT_EQ(lines_of("\xEF\xBB\xBF"), (Lines{}));
  EXPECT_EQ(lines_of("a\n\xEF\xBB\xBF"
                     "b\n"),
            (Lines{"a",
                   "\xEF\xBB\xBF"
                   "b"}));
}

TEST(LineReader, FaultsNameTheColumnAndLeaveOtherLinesAlone) {
  EXPECT_EQ(lines_of("good\nb\xFF"
                     "d\ng\xC3\xB6od\n"),
            (Lines{"good", "! invalid UTF-8: byte 0xff at column 2", "g\xC3\xB6od"}));
  EXPECT_EQ(lines_of("good\nbad\xC3"), (Lines{"good", "! invalid UTF-8: byte 0xc3 at column 4"}));
  EXPECT_EQ(lines_of("a\nb\0c\nd\n"s), (Lines{"a", "! a NUL byte at column 2; is this a text file?", "d"}));
  EXPECT_EQ(lines_of("a\nb\0c\nd\n"s, LineReader::kLongestLineBytes, true), (Lines{"a", "b\0c"s, "d"}));
}

TEST(LineReader, LongLines) {
  const std::string fault = "! the line is longer than the limit of 100 B";
  const std::string exact(100, 'x');
  EXPECT_EQ(lines_of(exact + "\n" + std::string(150, 'y') + "\nz\n", 100), (Lines{exact, fault, "z"}));
  EXPECT_EQ(lines_of("a\n" + std::string(150, 'y'), 100), (Lines{"a", fault}));
  const std::string huge(std::size_t{5} << 20U, 'y');  // more than any buffer
  EXPECT_EQ(lines_of("a\n" + huge + "\nb\nc\n", 100), (Lines{"a", fault, "b", "c"}));
  EXPECT_EQ(lines_of("a\n" + huge, 100), (Lines{"a", fault}));
  EXPECT_EQ(lines_of(huge + "\n", 100), (Lines{fault}));
  EXPECT_TRUE(lines_of("a\n" + huge + "\nb\n") == (Lines{"a", huge, "b"})) << "within the default limit";
}

TEST(LineReader, ManyBlocks) {
  std::string text;
  Lines expected;
  for (std::size_t i = 0; text.size() < (std::size_t{4} << 20U); ++i) {
    expected.push_back(std::string(i * 7919 % 5000, static_cast<char>('a' + i % 26)) + std::to_string(i));
    text += expected.back() + (i % 3 == 0 ? "\r\n" : "\n");
  }
  EXPECT_TRUE(lines_of(text) == expected);
  text.pop_back();
  EXPECT_TRUE(lines_of(text) == expected);
}

TEST(LineReader, SampleDoesNotConsume) {
  Input input = Input::from_memory("memory", "first\nsecond");
  LineReader reader(input);
  EXPECT_EQ(reader.sample(), "first\n");
  Line line;
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line.text, "first");
}

TEST(Utf8, FindsTheFirstInvalidByte) {
  const auto npos = std::string_view::npos;
  const std::string ascii(1000, 'a');
  EXPECT_EQ(text::find_invalid_utf8(""), npos);
  EXPECT_EQ(text::find_invalid_utf8(ascii), npos);
  for (const std::string valid :
       {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    for (std::size_t before = 0; before < 70; ++before)
      EXPECT_EQ(text::find_invalid_utf8(fmt::format("{:a>{}}{}{}", "", before, valid, ascii)), npos);
  for (const std::string invalid : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
                                    "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3\x28"})
    for (std::size_t before = 0; before < 70; ++before) {
      EXPECT_EQ(text::find_invalid_utf8(fmt::format("{:a>{}}{}{}", "", before, invalid, ascii)), before);
      EXPECT_EQ(text::find_invalid_utf8(fmt::format("{:a>{}}\xC3\xB6{}", "", before, invalid)), before + 2);
    }
}

TEST(Utf8, EncodesAndDecodesEveryScalarValue) {
  for (std::uint32_t c = 0; c < 0x110000; ++c) {
    std::string text;
    const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
    ASSERT_EQ(append_utf8(c, text), !surrogate);
    if (surrogate) continue;
    ASSERT_EQ(text::find_invalid_utf8(text), std::string_view::npos) << c;
    const DecodedCharacter decoded = decode_utf8(text);
    ASSERT_EQ(decoded.code_point, c);
    ASSERT_EQ(decoded.bytes, text.size());
  }
  std::string text;
  EXPECT_FALSE(append_utf8(0x110000, text));
  EXPECT_TRUE(text.empty());
}

}  // namespace
}  // namespace tessera::partition
