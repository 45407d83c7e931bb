// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/format_guess.hpp"

#include "partition/import/line_splitter.hpp"
#include "partition/import/ntriples_reader.hpp"
#include "partition/import/text_reader.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

namespace tessera::partition {
namespace {

constexpr std::size_t kLinesLookedAt = 64;
constexpr std::array<Separator, 4> kInOrder = {Separator::kTab, Separator::kComma, Separator::kSemicolon,
                                               Separator::kSpace};
using Words = std::span<const std::string_view>;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// How many of the lines have as many columns; with 0, the most common number of columns counts.
std::size_t lines_that_fit(const std::vector<std::string_view>& lines, Separator separator, std::size_t columns) {
  std::map<std::size_t, std::size_t> lines_with;
  LineSplitter splitter(separator, 0);
  for (const std::string_view line : lines) ++lines_with[splitter.split(line)];
  if (columns > 0) return lines_with[columns];
  std::size_t most = 0;
  for (const auto& [count, found] : lines_with)
    if (count > 1) most = std::max(most, found);
  return most;
}

bool has_word(Words words, std::string_view text) {
  return std::find(words.begin(), words.end(), lower(text)) != words.end();
}

constexpr std::array<std::string_view, 14> kHeadWords = {"head",       "h",         "subject",   "subj",  "s",
                                                         "source",     "src",       "from",      "start", "head_id",
                                                         "subject_id", "source_id", ":start_id", "node1"};
constexpr std::array<std::string_view, 13> kRelationWords = {
    "relation",      "r",           "rel",          "predicate", "pred", "p", "edge", "edge_type",
    "relation_type", "relation_id", "predicate_id", ":type",     "label"};
constexpr std::array<std::string_view, 14> kTailWords = {"tail",      "t",         "object",  "obj",  "o",
                                                         "target",    "dst",       "to",      "end",  "tail_id",
                                                         "object_id", "target_id", ":end_id", "node2"};
constexpr std::array<std::string_view, 11> kIdWords = {
    "id", "entity", "entity_id", "node", "node_id", "node_index", "name", "identifier", "iri", ":id", "index"};
constexpr std::array<std::string_view, 6> kAttributeWords = {"attribute", "property", "key",
                                                             "predicate", "relation", "field"};
constexpr std::array<std::string_view, 4> kValueWords = {"value", "literal", "object", "text"};

std::string_view without_blanks(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// What only Turtle begins with.
bool is_directive(std::string_view line) {
  const std::string start = lower(line.substr(0, 8));
  return start.starts_with("@prefix") || start.starts_with("@base") || start.starts_with("prefix ") ||
         start.starts_with("base <");
}

struct Statements {
  std::size_t lines = 0;
  std::size_t triples = 0;
  std::size_t quads = 0;
  bool directive = false;
};

Statements count_statements(std::string_view sample) {
  Statements found;
  NTriplesParser triples({}, false);
  NTriplesParser quads({}, true);
  for (const std::string_view line : first_lines(sample)) {
    const std::string_view statement = without_blanks(line);
    if (statement.empty() || statement.starts_with('#')) continue;
    found.directive = found.directive || is_directive(statement);
    ++found.lines;
    if (!statement.starts_with('<') && !statement.starts_with("_:")) continue;
    if (statement.ends_with('.') || triples.parse(statement) != NTriplesParser::Kind::kError) ++found.triples;
    if (triples.parse(statement) == NTriplesParser::Kind::kError &&
        quads.parse(statement) != NTriplesParser::Kind::kError)
      ++found.quads;
  }
  return found;
}

}  // namespace

std::vector<std::string_view> first_lines(std::string_view sample) {
  std::vector<std::string_view> lines;
  while (!sample.empty() && lines.size() < kLinesLookedAt) {
    const std::size_t end = std::min(sample.find('\n'), sample.size());
    std::string_view line = sample.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) lines.push_back(line);
    sample.remove_prefix(std::min(end + 1, sample.size()));
  }
  return lines;
}

Separator guess_separator(const std::vector<std::string_view>& lines, std::size_t columns) {
  Separator best = Separator::kAuto;
  std::size_t most = 0;
  for (const Separator separator : kInOrder) {
    const std::size_t fitting = lines_that_fit(lines, separator, columns);
    if (fitting > most) best = separator;
    most = std::max(most, fitting);
  }
  if (best != Separator::kAuto) return best;
  for (const Separator separator : kInOrder)
    if (!lines.empty() && LineSplitter(separator, 0).split(lines.front()) > 1) return separator;
  return Separator::kTab;
}

InputFormat format_of_name(std::string path) {
  for (const char* packed : {".gz", ".zst"})
    if (path.ends_with(packed)) path.resize(path.size() - std::string_view(packed).size());
  using Ending = std::pair<std::string_view, InputFormat>;
  constexpr std::array<Ending, 6> kEndings = {{{".ttl", InputFormat::kTurtle},
                                               {".trig", InputFormat::kTriG},
                                               {".nq", InputFormat::kNQuads},
                                               {".rdf", InputFormat::kRdfXml},
                                               {".owl", InputFormat::kRdfXml},
                                               {".nt", InputFormat::kNTriples}}};
  const std::string name = lower(path);
  const auto* const found = std::find_if(kEndings.begin(), kEndings.end(),
                                         [&](const Ending& ending) { return name.ends_with(ending.first); });
  return found == kEndings.end() ? InputFormat::kText : found->second;
}

InputFormat guess_format(const std::string& path, std::string_view sample) {
  const std::vector<std::string_view> lines = first_lines(sample);
  const std::string_view start = lines.empty() ? std::string_view() : without_blanks(lines.front());
  const InputFormat named = format_of_name(path);
  if (start.starts_with("<?xml") || start.starts_with("<rdf:RDF") || start.starts_with("<!DOCTYPE rdf"))
    return InputFormat::kRdfXml;
  const Statements found = count_statements(sample);
  if (found.directive) return named == InputFormat::kTriG ? named : InputFormat::kTurtle;
  if (2 * found.quads > found.lines) return InputFormat::kNQuads;
  if (named == InputFormat::kTurtle || named == InputFormat::kTriG || named == InputFormat::kNQuads) return named;
  return 2 * found.triples > found.lines ? InputFormat::kNTriples : InputFormat::kText;
}

const char* format_name(InputFormat format) {
  switch (format) {
    case InputFormat::kNTriples: return "N-Triples";
    case InputFormat::kNQuads: return "N-Quads";
    case InputFormat::kTurtle: return "Turtle";
    case InputFormat::kTriG: return "TriG";
    case InputFormat::kRdfXml: return "RDF/XML";
    case InputFormat::kWordNet: return "WordNet";
    default: return "text";
  }
}

NamedColumns named_columns(const std::vector<std::string>& header) {
  const auto find = [&](Words words) {
    const auto found =
        std::find_if(header.begin(), header.end(), [&](const auto& name) { return has_word(words, name); });
    return found == header.end() ? kNoColumn : static_cast<std::size_t>(found - header.begin());
  };
  return {find(kHeadWords), find(kRelationWords), find(kTailWords)};
}

bool names_attributes(const std::vector<std::string>& header) {
  return header.size() == 3 && (has_word(kIdWords, header[0]) || has_word(kHeadWords, header[0])) &&
         has_word(kAttributeWords, header[1]) && has_word(kValueWords, header[2]);
}

bool names_an_id(std::string_view word) { return has_word(kIdWords, word); }

bool is_count(std::string_view line) {
  line = without_blanks(line);
  return !line.empty() && line.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace tessera::partition
