// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/ntriples_reader.hpp"

#include "import_fixture.hpp"

#include <fmt/ranges.h>

#include <algorithm>

namespace tessera::partition {
namespace {

using namespace std::string_literals;
using Strings = std::vector<std::string>;
using test::RecordingSink;

RecordingSink read(std::string_view text, std::string_view scope = {}) {
  Input input = Input::from_memory("memory", text);
  LineReader lines(input);
  RecordingSink sink;
  read_ntriples(lines, scope, sink);
  return sink;
}

struct Case {
  const char* name;
  std::string text;
  std::string found;  // triples, then attributes, one a line
};

// The W3C N-Triples 1.1 test suite (https://w3c.github.io/rdf-tests/rdf/rdf11/rdf-n-triples/), with shorter IRIs. Two
// of its 72 cases are apart below: the empty document, and nt-syntax-subm-01.
// clang-format off
const std::vector<Case>& positive_cases() {
  static const std::vector<Case> cases = {
    {"comment_following_triple", "<e:s> <e:p> <e:o> . # comment\n<e:s> <e:p> _:o . # comment\n<e:s> <e:p> \"o\" . # comment\n<e:s> <e:p> \"o\"^^<e:dt> . # comment\n<e:s> <e:p> \"o\"@en . # comment\n"s, "e:s|e:p|e:o\ne:s|e:p|_:o\ne:s|e:p|o|\ne:s|e:p|o|e:dt\ne:s|e:p|o|@en"s},
    {"langtagged_string", "<e:s> <e:p> \"chat\"@en .\n"s, "e:s|e:p|chat|@en"s},
    {"lantag_with_subtag", "<e:a> <e:b> \"Cheers\"@en-UK .\n"s, "e:a|e:b|Cheers|@en-uk"s},
    {"literal", "<e:s> <e:p> \"x\" .\n"s, "e:s|e:p|x|"s},
    {"literal_all_controls", "<e:s> <e:p> \"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\u0008\\t\\u000B\\u000C\\u000E\\u000F\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001A\\u001B\\u001C\\u001D\\u001E\\u001F\" .\n"s, "e:s|e:p|\000\001\002\003\004\005\006\007\010\t\013\014\016\017\020\021\022\023\024\025\026\027\030\031\032\033\034\035\036\037|"s},
    {"literal_all_punctuation", "<e:s> <e:p> \" !\\\"#$%&():;<=>?@[]^_`{|}~\" .\n"s, "e:s|e:p| !\"#$%&():;<=>?@[]^_`{|}~|"s},
    {"literal_ascii_boundaries", "<e:s> <e:p> \"\000\t\013\014\016&([]\177\" .\n"s, "e:s|e:p|\000\t\013\014\016&([]\177|"s},
    {"literal_false", "<e:s> <e:p> \"false\"^^<http://www.w3.org/2001/XMLSchema#boolean> .\n"s, "e:s|e:p|false|http://www.w3.org/2001/XMLSchema#boolean"s},
    {"literal_true", "<e:s> <e:p> \"true\"^^<http://www.w3.org/2001/XMLSchema#boolean> .\n"s, "e:s|e:p|true|http://www.w3.org/2001/XMLSchema#boolean"s},
    {"literal_with_2_dquotes", "<e:s> <e:p> \"x\\\"\\\"y\" .\n"s, "e:s|e:p|x\"\"y|"s},
    {"literal_with_2_squotes", "<e:s> <e:p> \"x''y\" .\n"s, "e:s|e:p|x''y|"s},
    {"literal_with_BACKSPACE", "<e:s> <e:p> \"\\b\" .\n"s, "e:s|e:p|\010|"s},
    {"literal_with_CARRIAGE_RETURN", "<e:s> <e:p> \"\\r\" .\n"s, "e:s|e:p|\r|"s},
    {"literal_with_CHARACTER_TABULATION", "<e:s> <e:p> \"\\t\" .\n"s, "e:s|e:p|\t|"s},
    {"literal_with_FORM_FEED", "<e:s> <e:p> \"\\f\" .\n"s, "e:s|e:p|\014|"s},
    {"literal_with_LINE_FEED", "<e:s> <e:p> \"\\n\" .\n"s, "e:s|e:p|\n|"s},
    {"literal_with_REVERSE_SOLIDUS", "<e:s> <e:p> \"\\\\\" .\n"s, "e:s|e:p|\\|"s},
    {"literal_with_REVERSE_SOLIDUS2", "<e:s> <e:p1> \"test-\\\\\" .\n"s, "e:s|e:p1|test-\\|"s},
    {"literal_with_UTF8_boundaries", "<e:s> <e:p> \"\302\200\337\277\340\240\200\340\277\277\341\200\200\354\277\277\355\200\200\355\237\277\356\200\200\357\277\275\360\220\200\200\360\277\277\275\361\200\200\200\363\277\277\275\364\200\200\200\364\217\277\275\" .\n"s, "e:s|e:p|\302\200\337\277\340\240\200\340\277\277\341\200\200\354\277\277\355\200\200\355\237\277\356\200\200\357\277\275\360\220\200\200\360\277\277\275\361\200\200\200\363\277\277\275\364\200\200\200\364\217\277\275|"s},
    {"literal_with_dquote", "<e:s> <e:p> \"x\\\"y\" .\n"s, "e:s|e:p|x\"y|"s},
    {"literal_with_numeric_escape4", "<e:s> <e:p> \"\\u006F\" .\n"s, "e:s|e:p|o|"s},
    {"literal_with_numeric_escape8", "<e:s> <e:p> \"\\U0000006F\" .\n"s, "e:s|e:p|o|"s},
    {"literal_with_squote", "<e:s> <e:p> \"x'y\" .\n"s, "e:s|e:p|x'y|"s},
    {"minimal_whitespace", "<e:s><e:p><e:o>.\n<e:s><e:p>\"Alice\".\n<e:s><e:p>_:o.\n_:s<e:p><e:o>.\n_:s<e:p>\"Alice\".\n_:s<e:p>_:bnode1.\n"s, "e:s|e:p|e:o\ne:s|e:p|Alice|\ne:s|e:p|_:o\n_:s|e:p|e:o\n_:s|e:p|Alice|\n_:s|e:p|_:bnode1"s},
    {"nt-syntax-bnode-01", "_:a  <e:p> <e:o> .\n"s, "_:a|e:p|e:o"s},
    {"nt-syntax-bnode-02", "<e:s> <e:p> _:a .\n_:a  <e:p> <e:o> .\n"s, "e:s|e:p|_:a\n_:a|e:p|e:o"s},
    {"nt-syntax-bnode-03", "<e:s> <e:p> _:1a .\n_:1a  <e:p> <e:o> .\n"s, "e:s|e:p|_:1a\n_:1a|e:p|e:o"s},
    {"nt-syntax-datatypes-01", "<e:s> <e:p> \"123\"^^<http://www.w3.org/2001/XMLSchema#byte> .\n"s, "e:s|e:p|123|http://www.w3.org/2001/XMLSchema#byte"s},
    {"nt-syntax-datatypes-02", "<e:s> <e:p> \"123\"^^<http://www.w3.org/2001/XMLSchema#string> .\n"s, "e:s|e:p|123|"s},
    {"nt-syntax-file-02", "#Empty file.\n"s, ""s},
    {"nt-syntax-file-03", "#One comment, one empty line.\n"s, ""s},
    {"nt-syntax-str-esc-01", "<e:s> <e:p> \"a\\n\" .\n"s, "e:s|e:p|a\n|"s},
    {"nt-syntax-str-esc-02", "<e:s> <e:p> \"a\\u0020b\" .\n"s, "e:s|e:p|a b|"s},
    {"nt-syntax-str-esc-03", "<e:s> <e:p> \"a\\U00000020b\" .\n"s, "e:s|e:p|a b|"s},
    {"nt-syntax-string-01", "<e:s> <e:p> \"string\" .\n"s, "e:s|e:p|string|"s},
    {"nt-syntax-string-02", "<e:s> <e:p> \"string\"@en .\n"s, "e:s|e:p|string|@en"s},
    {"nt-syntax-string-03", "<e:s> <e:p> \"string\"@en-uk .\n"s, "e:s|e:p|string|@en-uk"s},
    {"nt-syntax-uri-01", "<e:s> <e:p> <e:o> .\n"s, "e:s|e:p|e:o"s},
    {"nt-syntax-uri-02", "<e:\\u0053> <e:p> <e:o> .\n"s, "e:S|e:p|e:o"s},
    {"nt-syntax-uri-03", "<e:\\U00000053> <e:p> <e:o> .\n"s, "e:S|e:p|e:o"s},
    {"nt-syntax-uri-04", "<e:s> <e:p> <scheme:!$%25&'()*+,-./0123456789:/@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~?#> .\n"s, "e:s|e:p|scheme:!$%25&'()*+,-./0123456789:/@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~?#"s},
  };
  return cases;
}

const std::vector<Case>& negative_cases() {
  static const std::vector<Case> cases = {
    {"nt-syntax-bad-base-01", "@base <e:> ."s, {}},
    {"nt-syntax-bad-bnode-01", "_::a  <e:p> <e:o> ."s, {}},
    {"nt-syntax-bad-bnode-02", "_:abc:def  <e:p> <e:o> ."s, {}},
    {"nt-syntax-bad-esc-01", "<e:s> <e:p> \"a\\zb\" ."s, {}},
    {"nt-syntax-bad-esc-02", "<e:s> <e:p> \"\\uWXYZ\" ."s, {}},
    {"nt-syntax-bad-esc-03", "<e:s> <e:p> \"\\U0000WXYZ\" ."s, {}},
    {"nt-syntax-bad-lang-01", "<e:s> <e:p> \"string\"@1 ."s, {}},
    {"nt-syntax-bad-num-01", "<e:s> <e:p> 1 ."s, {}},
    {"nt-syntax-bad-num-02", "<e:s> <e:p> 1.0 ."s, {}},
    {"nt-syntax-bad-num-03", "<e:s> <e:p> 1.0e0 ."s, {}},
    {"nt-syntax-bad-prefix-01", "@prefix : <e:> ."s, {}},
    {"nt-syntax-bad-string-01", "<e:s> <e:p> \"abc' ."s, {}},
    {"nt-syntax-bad-string-02", "<e:s> <e:p> 1.0 ."s, {}},
    {"nt-syntax-bad-string-03", "<e:s> <e:p> 1.0e1 ."s, {}},
    {"nt-syntax-bad-string-04", "<e:s> <e:p> '''abc''' ."s, {}},
    {"nt-syntax-bad-string-05", "<e:s> <e:p> \"\"\"abc\"\"\" ."s, {}},
    {"nt-syntax-bad-string-06", "<e:s> <e:p> \"abc ."s, {}},
    {"nt-syntax-bad-string-07", "<e:s> <e:p> abc\" ."s, {}},
    {"nt-syntax-bad-struct-01", "<e:s> <e:p> <e:o>, <e:o2> ."s, {}},
    {"nt-syntax-bad-struct-02", "<e:s> <e:p> <e:o>; <e:p2>, <e:o2> ."s, {}},
    {"nt-syntax-bad-uri-01", "<e: space> <e:p> <e:o> ."s, {}},
    {"nt-syntax-bad-uri-02", "<e:\\u00ZZ11> <e:p> <e:o> ."s, {}},
    {"nt-syntax-bad-uri-03", "<e:\\U00ZZ1111> <e:p> <e:o> ."s, {}},
    {"nt-syntax-bad-uri-04", "<e:\\n> <e:p> <e:o> ."s, {}},
    {"nt-syntax-bad-uri-05", "<e:\\/> <e:p> <e:o> ."s, {}},
    {"nt-syntax-bad-uri-06", "<s> <e:p> <e:o> ."s, {}},
    {"nt-syntax-bad-uri-07", "<e:s> <p> <e:o> ."s, {}},
    {"nt-syntax-bad-uri-08", "<e:s> <e:p> <o> ."s, {}},
    {"nt-syntax-bad-uri-09", "<e:s> <e:p> \"foo\"^^<dt> ."s, {}},
  };
  return cases;
}
// clang-format on

std::string joined(RecordingSink found) {
  std::string all;
  found.triples.insert(found.triples.end(), found.attributes.begin(), found.attributes.end());
  for (const std::string& fact : found.triples) all += (all.empty() ? "" : "\n") + fact;
  return all;
}

std::string sorted_lines(const std::string& text) {
  Strings lines;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, "\n"));
}

TEST(NTriplesSuite, PositiveCases) {
  EXPECT_EQ(positive_cases().size(), 41U);
  for (const Case& test : positive_cases()) {
    const RecordingSink found = read(test.text);
    EXPECT_TRUE(found.bad.empty()) << test.name << ": " << (found.bad.empty() ? "" : found.bad.front());
    EXPECT_EQ(sorted_lines(joined(found)), sorted_lines(test.found)) << test.name;
  }
  EXPECT_EQ(NTriplesParser({}).parse(""), NTriplesParser::Kind::kNothing) << "nt-syntax-file-01";
}

TEST(NTriplesSuite, NegativeCases) {
  EXPECT_EQ(negative_cases().size(), 29U);
  for (const Case& test : negative_cases()) {
    const RecordingSink found = read(test.text);
    EXPECT_EQ(found.bad.size(), 1U) << test.name;
    EXPECT_EQ(joined(found), "") << test.name;
  }
}

// What nt-syntax-subm-01 has that the others have not.
TEST(NTriplesSuite, Submission) {
  const RecordingSink found = read(
      "#####\n# comment\n  \t  \t   # comment after white space\n\n         \t\n"
      " \t <e:3> \t <e:p>\t<e:2> \t.\t \n"
      "<e:4> <e:p> <e:2> .\r\n"
      "<e:5> <e:p> <e:2> .\r<e:6> <e:p> <e:2> .\r# comment\r\r_:a <e:p> <e:2> .\r\n"
      "<e:15> <e:p> _:anon.\n"
      "<e:16> <e:p> \"\\u00E9\" .\n<e:17> <e:p> \"\\u20ac\" .\n"
      "<e:26> <e:p> \"a\\n<b></b>\\nc\"^^<e:XML> .\n");
  EXPECT_EQ(found.bad, Strings{});
  EXPECT_EQ(found.triples,
            (Strings{"e:3|e:p|e:2", "e:4|e:p|e:2", "e:5|e:p|e:2", "e:6|e:p|e:2", "_:a|e:p|e:2", "e:15|e:p|_:anon"}));
  EXPECT_EQ(found.attributes,
            (Strings{"e:16|e:p|\xC3\xA9|", "e:17|e:p|\xE2\x82\xAC|", "e:26|e:p|a\n<b></b>\nc|e:XML"}));
}

TEST(NTriples, ErrorsSayWhereAndWhy) {
  EXPECT_EQ(read("<e:s> <e:p> <e:o>\n").bad,
            (Strings{"1: column 18: a statement ends with a full stop after its object"}));
  EXPECT_EQ(read("\n<e:s> <e:p> 1 .\n").bad,
            (Strings{"2: column 13: an object is an IRI in <>, a blank node or a literal in double quotes"}));
  EXPECT_EQ(read("<e:s> \"p\" <e:o> .\n").bad, (Strings{"1: column 7: an IRI in <> is missing"}));
  EXPECT_EQ(read("<e:s> _:p <e:o> .\n").bad, (Strings{"1: column 7: an IRI in <> is missing"}));
  EXPECT_EQ(read("<e:s> <e:p> <e:o> . <e:s>\n").bad,
            (Strings{"1: column 21: only a comment may follow the full stop"}));
  EXPECT_EQ(read("<s> <e:p> <e:o> .\n").bad,
            (Strings{"1: column 1: a relative IRI; N-Triples has only absolute ones"}));
  EXPECT_EQ(read("\"s\" <e:p> <e:o> .\n").bad,
            (Strings{"1: column 1: a statement starts with an IRI in <> or a blank node _:label"}));
}

TEST(NTriples, WhatEscapesMustNotMake) {
  for (const char* bad : {"<e:\\u0020> <e:p> <e:o> .", "<e:\\u0000> <e:p> <e:o> .", "<e:\\u003e> <e:p> <e:o> .",
                          "<e:\\uD800> <e:p> <e:o> .", "<e:s> <e:p> \"\\uDFFF\" .", "<e:s> <e:p> \"\\U00110000\" .",
                          "<e:s> <e:p> \"\\u12\" .", "<e:s> <e:p> \"\\", "<e:s> <e:p> \"a\\", "<e:\\u12> <e:p> <e:o> .",
                          "<e:\\u", "<e:\\"})
    EXPECT_EQ(read(bad).bad.size(), 1U) << bad;
}

TEST(NTriples, BlankNodes) {
  EXPECT_EQ(read("_:a.b <e:p> _:c..d.\n").triples, (Strings{"_:a.b|e:p|_:c..d"}));
  EXPECT_EQ(read("_:a-b\xC2\xB7 <e:p> _:\xC3\xB6.\n").triples, (Strings{"_:a-b\xC2\xB7|e:p|_:\xC3\xB6"}));
  EXPECT_EQ(read("_:a <e:p> _:b .\n", "f2.").triples, (Strings{"_:f2.a|e:p|_:f2.b"}));
  for (const char* bad : {"_:-a <e:p> <e:o> .", "_:.a <e:p> <e:o> .", "_: <e:p> <e:o> .", "_a <e:p> <e:o> .", "_",
                          "_:", "<e:s> <e:p> _:"})
    EXPECT_EQ(read(bad).bad.size(), 1U) << bad;
}

TEST(NTriples, LanguageTags) {
  EXPECT_EQ(read("<e:s> <e:p> \"x\"@EN-Latn-x1 .\n").attributes, (Strings{"e:s|e:p|x|@en-latn-x1"}));
  for (const char* bad :
       {"<e:s> <e:p> \"x\"@ .", "<e:s> <e:p> \"x\"@en- .", "<e:s> <e:p> \"x\"@e1 .", "<e:s> <e:p> \"x\"@-en ."})
    EXPECT_EQ(read(bad).bad.size(), 1U) << bad;
}

TEST(NTriples, QuadsLeaveOutTheGraph) {
  const auto read_quads = [](std::string_view text, bool quads) {
    Input input = Input::from_memory("memory", text);
    LineReader lines(input);
    test::RecordingSink sink;
    read_ntriples(lines, "f1.", sink, quads);
    return sink;
  };
  const char* text = "<e:a> <e:p> <e:b> <e:g> .\n<e:a> <e:p> \"x\"@en _:g .\n<e:a> <e:p> <e:b> .\n";
  const test::RecordingSink found = read_quads(text, true);
  EXPECT_EQ(found.triples, (Strings{"e:a|e:p|e:b", "e:a|e:p|e:b"}));
  EXPECT_EQ(found.attributes, (Strings{"e:a|e:p|x|@en"}));
  EXPECT_TRUE(found.bad.empty());
  EXPECT_EQ(read_quads(text, false).bad.size(), 2U);
}

}  // namespace
}  // namespace tessera::partition
