// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/ntriples_reader.hpp"

#include "partition/import/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

namespace tessera::partition {
namespace {

constexpr std::string_view kXsdString = "http://www.w3.org/2001/XMLSchema#string";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// IRIREF: no control characters, no space, none of <>"{}|^`\ (escapes are looked at apart).
constexpr std::array<bool, 256> make_iri_table() {
  std::array<bool, 256> allowed{};
  for (std::size_t c = 0; c < allowed.size(); ++c) allowed[c] = c > 0x20;
  for (const char c : std::string_view("<>\"{}|^`\\")) allowed[static_cast<unsigned char>(c)] = false;
  return allowed;
}
constexpr std::array<bool, 256> kIriTable = make_iri_table();

bool allowed_in_iri(char c) { return kIriTable[static_cast<unsigned char>(c)]; }

// PN_CHARS_U of the grammar, plus the digits where `first` is false and the rest of PN_CHARS.
bool is_label_character(std::uint32_t c, bool first) {
  using Range = std::pair<std::uint32_t, std::uint32_t>;
  static constexpr std::array<Range, 16> kLetters = {{{'A', 'Z'},
                                                      {'_', '_'},
                                                      {'a', 'z'},
                                                      {0xC0, 0xD6},
                                                      {0xD8, 0xF6},
                                                      {0xF8, 0x2FF},
                                                      {0x370, 0x37D},
                                                      {0x37F, 0x1FFF},
                                                      {0x200C, 0x200D},
                                                      {0x2070, 0x218F},
                                                      {0x2C00, 0x2FEF},
                                                      {0x3001, 0xD7FF},
                                                      {0xF900, 0xFDCF},
                                                      {0xFDF0, 0xFFFD},
                                                      {0x10000, 0xEFFFF},
                                                      {'0', '9'}}};
  static constexpr std::array<Range, 4> kInside = {{{'-', '-'}, {0xB7, 0xB7}, {0x300, 0x36F}, {0x203F, 0x2040}}};
  const auto holds = [c](const Range& range) { return c >= range.first && c <= range.second; };
  return std::any_of(kLetters.begin(), kLetters.end(), holds) ||
         (!first && std::any_of(kInside.begin(), kInside.end(), holds));
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool NTriplesParser::bad(const char* at, const char* reason) {
  error_ = fmt::format("column {}: {}", at - start_ + 1, reason);
  return false;
}

void NTriplesParser::skip_space() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\t')) ++at_;
}

NTriplesParser::Kind NTriplesParser::parse(std::string_view statement) {
  start_ = at_ = statement.data();
  end_ = at_ + statement.size();
  skip_space();
  if (at_ == end_ || *at_ == '#') return Kind::kNothing;
  bool literal = false;
  if (!parse_subject()) return Kind::kError;
  skip_space();
  if (!parse_iri(predicate_text_, predicate_)) return Kind::kError;
  skip_space();
  if (!parse_object(literal) || !parse_end()) return Kind::kError;
  return literal ? Kind::kAttribute : Kind::kTriple;
}

bool NTriplesParser::parse_subject() {
  if (*at_ == '<') return parse_iri(subject_text_, subject_);
  if (*at_ == '_') return parse_blank(subject_text_, subject_);
  return bad(at_, "a statement starts with an IRI in <> or a blank node _:label");
}

bool NTriplesParser::parse_object(bool& literal) {
  if (at_ != end_ && *at_ == '<') return parse_iri(object_text_, object_);
  if (at_ != end_ && *at_ == '_') return parse_blank(object_text_, object_);
  if (at_ == end_ || *at_ != '"')
    return bad(at_, "an object is an IRI in <>, a blank node or a literal in double quotes");
  literal = true;
  return parse_literal() && parse_suffix();
}

bool NTriplesParser::parse_iri(std::string& scratch, std::string_view& out) {
  if (at_ == end_ || *at_ != '<') return bad(at_, "an IRI in <> is missing");
  const char* const begin = ++at_;
  while (at_ != end_ && allowed_in_iri(*at_)) ++at_;
  if (at_ != end_ && *at_ == '>') {
    out = {begin, static_cast<std::size_t>(at_ - begin)};
  } else {
    const auto* close = static_cast<const char*>(std::memchr(begin, '>', static_cast<std::size_t>(end_ - begin)));
    if (close == nullptr) return bad(begin - 1, "an IRI without its closing >");
    if (!unescape_iri({begin, static_cast<std::size_t>(close - begin)}, scratch)) return false;
    at_ = close;
    out = scratch;
  }
  ++at_;
  return check_absolute(out) || bad(begin - 1, "a relative IRI; N-Triples has only absolute ones");
}

bool NTriplesParser::unescape_iri(std::string_view raw, std::string& scratch) {
  scratch.clear();
  for (std::size_t i = 0; i < raw.size();) {
    const std::size_t before = scratch.size();
    if (raw[i] != '\\') {
      scratch.push_back(raw[i++]);
    } else if (i + 1 < raw.size() && (raw[i + 1] == 'u' || raw[i + 1] == 'U')) {
      if (!parse_code_point(raw, i, scratch)) return false;
    } else {
      return bad(raw.data() + i, "an IRI has no escapes but \\u and \\U");
    }
    if (!allowed_in_iri(scratch[before]))
      return bad(raw.data() + std::min(i, raw.size()) - 1, "a character that an IRI cannot have");
  }
  return true;
}

bool NTriplesParser::check_absolute(std::string_view iri) {
  const std::size_t colon = iri.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_letter(iri.front())) return false;
  return std::all_of(iri.begin(), iri.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; });
}

// \uXXXX or \UXXXXXXXX at `at`.
bool NTriplesParser::parse_code_point(std::string_view raw, std::size_t& at, std::string& out) {
  const std::size_t digits = raw[at + 1] == 'u' ? 4 : 8;
  const char* const where = raw.data() + at;
  if (raw.size() - at < 2 + digits) return bad(where, "an escape without all its digits");
  std::uint32_t code_point = 0;
  for (const char c : raw.substr(at + 2, digits)) {
    const int value = hex_value(c);
    if (value < 0) return bad(where, "an escape with a character that is not a hexadecimal digit");
    code_point = (code_point << 4U) | static_cast<std::uint32_t>(value);
  }
  at += 2 + digits;
  return append_utf8(code_point, out) || bad(where, "an escape that is not a Unicode character");
}

bool NTriplesParser::parse_blank(std::string& scratch, std::string_view& out) {
  const char* const begin = at_;
  if (end_ - at_ < 3 || at_[1] != ':') return bad(at_, "a blank node is written _:label");
  at_ += 2;
  const char* label_end = at_;  // a label does not end with '.'
  while (at_ != end_) {
    const DecodedCharacter next = decode_utf8({at_, static_cast<std::size_t>(end_ - at_)});
    const bool first = at_ == begin + 2;
    if (!is_label_character(next.code_point, first) && (first || next.code_point != '.')) break;
    at_ += next.bytes;
    if (next.code_point != '.') label_end = at_;
  }
  if (label_end == begin + 2) return bad(begin, "a blank node without a label");
  at_ = label_end;
  const std::string_view label(begin + 2, static_cast<std::size_t>(label_end - begin - 2));
  scratch.assign("_:").append(blank_scope_).append(label);
  out = scratch;
  return true;
}

bool NTriplesParser::parse_literal() {
  const char* const begin = ++at_;
  bool escaped = false;
  for (;;) {
    while (at_ != end_ && *at_ != '"' && *at_ != '\\') ++at_;
    if (at_ == end_) return bad(begin - 1, "a literal without its closing double quote");
    if (*at_ == '"') break;
    escaped = true;
    at_ += end_ - at_ > 1 ? 2 : 1;
  }
  const std::string_view raw(begin, static_cast<std::size_t>(at_ - begin));
  ++at_;
  if (escaped && !unescape_literal(raw)) return false;
  object_ = escaped ? std::string_view(object_text_) : raw;
  return true;
}

bool NTriplesParser::unescape_literal(std::string_view raw) {
  static constexpr std::string_view kEscapes = "tbnrf\"'\\";
  static constexpr std::string_view kMeanings = "\t\b\n\r\f\"'\\";
  object_text_.clear();
  for (std::size_t i = 0; i < raw.size();) {
    if (raw[i] != '\\') {
      const std::size_t next = std::min(raw.find('\\', i), raw.size());
      object_text_.append(raw.substr(i, next - i));
      i = next;
    } else if (raw[i + 1] == 'u' || raw[i + 1] == 'U') {  // a backslash is never the last character
      if (!parse_code_point(raw, i, object_text_)) return false;
    } else {
      const std::size_t which = kEscapes.find(raw[i + 1]);
      if (which == std::string_view::npos) return bad(raw.data() + i, "an unknown escape");
      object_text_.push_back(kMeanings[which]);
      i += 2;
    }
  }
  return true;
}

bool NTriplesParser::parse_suffix() {
  datatype_ = {};
  if (at_ != end_ && *at_ == '@') return parse_language();
  if (end_ - at_ < 2 || at_[0] != '^' || at_[1] != '^') return true;
  at_ += 2;
  if (!parse_iri(datatype_text_, datatype_)) return false;
  if (datatype_ == kXsdString) datatype_ = {};
  return true;
}

// '@' [a-zA-Z]+ ('-' [a-zA-Z0-9]+)*
bool NTriplesParser::parse_language() {
  datatype_text_.assign(1, *at_++);
  bool first = true;
  for (;;) {
    const std::size_t before = datatype_text_.size();
    while (at_ != end_ && (is_letter(*at_) || (!first && is_digit(*at_)))) {
      const char c = *at_++;
      datatype_text_.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    }
    if (datatype_text_.size() == before) return bad(at_, "a language tag that is not well formed");
    first = false;
    if (at_ == end_ || *at_ != '-') break;
    datatype_text_.push_back(*at_++);
  }
  datatype_ = datatype_text_;
  return true;
}

bool NTriplesParser::parse_end() {
  skip_space();
  if (quads_ && at_ != end_ && (*at_ == '<' || *at_ == '_')) {
    std::string_view graph;
    if (!(*at_ == '<' ? parse_iri(graph_text_, graph) : parse_blank(graph_text_, graph))) return false;
    skip_space();
  }
  if (at_ == end_ || *at_ != '.') return bad(at_, "a statement ends with a full stop after its object");
  ++at_;
  skip_space();
  return at_ == end_ || *at_ == '#' || bad(at_, "only a comment may follow the full stop");
}

void read_ntriples(LineReader& lines, std::string_view blank_scope, FactSink& sink, bool quads) {
  lines.allow_nul();
  NTriplesParser parser(blank_scope, quads);
  const auto read_statement = [&](std::string_view statement, std::uint64_t line) {
    switch (parser.parse(statement)) {
      case NTriplesParser::Kind::kNothing: return;
      case NTriplesParser::Kind::kTriple:
        return sink.triple(parser.subject(), parser.predicate(), parser.object(), line);
      case NTriplesParser::Kind::kAttribute:
        return sink.attribute(parser.subject(), parser.predicate(), parser.object(), parser.datatype(), line);
      case NTriplesParser::Kind::kError: return sink.bad_line(line, parser.error());
    }
  };
  for (Line line; lines.next(line);) {
    if (!line.fault.empty()) {
      sink.bad_line(line.number, line.fault);
      continue;
    }
    // A carriage return alone ends a statement too.
    std::string_view rest = line.text;
    for (std::size_t end = rest.find('\r'); end != std::string_view::npos; end = rest.find('\r')) {
      read_statement(rest.substr(0, end), line.number);
      rest.remove_prefix(end + 1);
    }
    read_statement(rest, line.number);
  }
}

}  // namespace tessera::partition
