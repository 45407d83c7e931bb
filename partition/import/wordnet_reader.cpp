// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/wordnet_reader.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace tessera::partition {
namespace {

constexpr std::array<std::string_view, 4> kFileNames = {"noun", "verb", "adj", "adv"};

constexpr unsigned kSynsetBits = 29;  // bits of a synset number; two numbers and a relation make 64

enum class Direction : std::uint8_t { kKept, kInverse, kSymmetric, kNounFirst };

struct PointerType {
  std::string_view symbol;
  std::string_view relation;  // for an inverse: of the direction that is kept
  Direction direction;
};

// wninput(5WN), with one name per pair of inverses.
constexpr std::array<PointerType, 27> kPointerTypes = {{
    {"@", "hypernym", Direction::kKept},
    {"~", "hypernym", Direction::kInverse},
    {"@i", "instance_hypernym", Direction::kKept},
    {"~i", "instance_hypernym", Direction::kInverse},
    {"#m", "member_holonym", Direction::kKept},
    {"%m", "member_holonym", Direction::kInverse},
    {"#s", "substance_holonym", Direction::kKept},
    {"%s", "substance_holonym", Direction::kInverse},
    {"#p", "part_holonym", Direction::kKept},
    {"%p", "part_holonym", Direction::kInverse},
    {";c", "domain_topic", Direction::kKept},
    {"-c", "domain_topic", Direction::kInverse},
    {";r", "domain_region", Direction::kKept},
    {"-r", "domain_region", Direction::kInverse},
    {";u", "domain_usage", Direction::kKept},
    {"-u", "domain_usage", Direction::kInverse},
    {"*", "entailment", Direction::kKept},
    {">", "cause", Direction::kKept},
    {"<", "participle_of", Direction::kKept},
    {"\\", "pertainym", Direction::kKept},  // from an adverb: derived_from_adjective
    {"!", "antonym", Direction::kSymmetric},
    {"^", "also_see", Direction::kSymmetric},
    {"$", "verb_group", Direction::kSymmetric},
    {"&", "similar_to", Direction::kSymmetric},
    {"+", "derivationally_related_form", Direction::kSymmetric},
    {"=", "attribute", Direction::kNounFirst},
    {"\\r", "derived_from_adjective", Direction::kKept},  // not in files: what "\" means in data.adv
}};

const PointerType* find_pointer_type(std::string_view symbol, WordNetPart part) {
  if (symbol == "\\r") return nullptr;
  if (symbol == "\\" && part == WordNetPart::kAdverb) symbol = "\\r";
  const auto* found =
      std::find_if(kPointerTypes.begin(), kPointerTypes.end(), [&](const auto& t) { return t.symbol == symbol; });
  return found == kPointerTypes.end() ? nullptr : found;
}

// Fields separated by single spaces.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}
  std::string_view next() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view field = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return field;
  }
  template <class Integer>
  bool number(Integer& value, int base = 10) {
    const std::string_view field = next();
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value, base);
    return error == std::errc() && end == field.data() + field.size();
  }

 private:
  std::string_view rest_;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<WordNetPart> part_of_letter(std::string_view letter) {
  if (letter == "n") return WordNetPart::kNoun;
  if (letter == "v") return WordNetPart::kVerb;
  if (letter == "a" || letter == "s") return WordNetPart::kAdjective;
  if (letter == "r") return WordNetPart::kAdverb;
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

bool is_licence_line(std::string_view line) { return line.starts_with("  "); }

std::string parse_words(Fields& fields, Synset& synset) {
  unsigned words = 0;
  if (!fields.number(words, 16) || words == 0) return "the number of words is wrong";
  for (unsigned word = 0; word < words; ++word) {
    std::string_view text = fields.next();
    if (text.empty() || fields.next().empty()) return "fewer words than announced";
    if (word > 0) continue;
    if (text.ends_with(')') && text.find('(') != std::string_view::npos) text = text.substr(0, text.find('('));
    synset.lemma = lower(text);
  }
  return synset.lemma.empty() ? "the first word is empty" : std::string();
}

std::string parse_pointers(Fields& fields, Synset& synset) {
  unsigned pointers = 0;
  synset.pointers.clear();
  if (!fields.number(pointers)) return "the number of pointers is wrong";
  for (unsigned i = 0; i < pointers; ++i) {
    SynsetPointer pointer;
    pointer.symbol = fields.next();
    const bool has_offset = fields.number(pointer.target.offset);
    const auto part = part_of_letter(fields.next());
    if (!has_offset || !part || fields.next().size() != 4) return fmt::format("pointer {} is malformed", i + 1);
    if (find_pointer_type(pointer.symbol, synset.key.part) == nullptr)
      return fmt::format("unknown pointer symbol '{}'", pointer.symbol);
    pointer.target.part = *part;
    synset.pointers.push_back(pointer);
  }
  return {};
}

}  // namespace

std::optional<WordNetPart> wordnet_part(const std::string& path) {
  std::string_view name(path);
  name.remove_prefix(name.rfind('/') + 1);
  for (const std::string_view packed : {".gz", ".zst"})
    if (name.ends_with(packed)) name.remove_suffix(packed.size());
  for (std::size_t i = 0; i < kFileNames.size(); ++i)
    if (name == fmt::format("data.{}", kFileNames[i])) return static_cast<WordNetPart>(i);
  return std::nullopt;
}

std::string wordnet_index(const std::string& data_path) {
  const std::size_t name = data_path.rfind('/') + 1;
  return data_path.substr(0, name) + "index" + data_path.substr(name + std::string_view("data").size());
}

std::string parse_synset(std::string_view line, WordNetPart part, Synset& synset) {
  const std::size_t bar = std::min(line.find('|'), line.size());
  Fields fields(line.substr(0, bar));
  synset.key.part = part;
  if (!fields.number(synset.key.offset)) return "the line does not start with a synset offset";
  fields.next();  // the number of a lexicographer file
  const std::string_view type = fields.next();
  if (part_of_letter(type) != part) return fmt::format("'{}' is not a synset type of this file", type);
  synset.type = type.front();
  std::string wrong = parse_words(fields, synset);
  if (wrong.empty()) wrong = parse_pointers(fields, synset);
  synset.gloss = bar == line.size() ? std::string_view() : trimmed(line.substr(bar + 1));
  return wrong;
}

void SynsetNames::add_data(LineReader& lines, WordNetPart part) {
  Synset synset;
  for (Line line; lines.next(line);) {
    if (!line.fault.empty() || line.text.empty() || is_licence_line(line.text)) continue;
    if (!parse_synset(line.text, part, synset).empty()) continue;
    const auto number = static_cast<std::uint32_t>(synsets_.size());
    if (number >> kSynsetBits != 0) fail(ExitStatus::kBadData, "{}: too many synsets", lines.input().name());
    if (numbers_.emplace(packed(synset.key), number).second) synsets_.push_back({synset.lemma, synset.type, 0});
  }
}

void SynsetNames::add_index(LineReader& lines, WordNetPart part) {
  const auto bad = [&](const Line& line, const std::string& reason) {
    fail(ExitStatus::kBadData, "{}:{}: {}", lines.input().name(), line.number, reason);
  };
  for (Line line; lines.next(line);) {
    if (!line.fault.empty()) bad(line, line.fault);
    if (line.text.empty() || is_licence_line(line.text)) continue;
    Fields fields(line.text);
    const std::string_view lemma = fields.next();
    unsigned synsets = 0;
    unsigned pointer_types = 0;
    const bool sound = part_of_letter(fields.next()) == part && fields.number(synsets) && fields.number(pointer_types);
    if (!sound) bad(line, "not a line of a WordNet index file");
    for (unsigned skipped = 0; skipped < pointer_types + 2; ++skipped)  // pointer symbols, sense_cnt, tagsense_cnt
      if (fields.next().empty()) bad(line, "fewer fields than announced");
    for (std::uint32_t sense = 1; sense <= synsets; ++sense) {
      SynsetKey key{part, 0};
      if (!fields.number(key.offset)) bad(line, "fewer synset offsets than announced");
      const auto found = find(key);
      if (found && synsets_[*found].name == lemma) synsets_[*found].sense = sense;
    }
  }
}

void SynsetNames::finish() {
  for (Named& synset : synsets_) {
    if (synset.sense == 0)
      fail(ExitStatus::kBadData,
           "WordNet: the index files have no sense of '{}' for one of its synsets of type {}; do the "
           "data and index files belong together?",
           synset.name, synset.type);
    synset.name += fmt::format(".{}.{:02}", synset.type, synset.sense);
  }
}

std::optional<std::uint32_t> SynsetNames::find(SynsetKey key) const {
  const auto found = numbers_.find(packed(key));
  if (found == numbers_.end()) return std::nullopt;
  return found->second;
}

void WordNetReader::read(LineReader& lines, WordNetPart part, FactSink& sink) {
  Synset synset;
  for (Line line; lines.next(line);) {
    if (line.fault.empty() && (line.text.empty() || is_licence_line(line.text))) continue;
    std::string wrong = line.fault.empty() ? parse_synset(line.text, part, synset) : line.fault;
    const auto number = wrong.empty() ? names_->find(synset.key) : std::nullopt;
    if (wrong.empty() && !number) wrong = "the file changed while it was read";
    if (!wrong.empty()) {
      sink.bad_line(line.number, wrong);
      continue;
    }
    for (const SynsetPointer& pointer : synset.pointers) add_pointer(synset, *number, pointer, sink, line.number);
    if (!synset.gloss.empty()) sink.attribute(names_->name(*number), "gloss", synset.gloss, {}, line.number);
  }
}

void WordNetReader::add_pointer(const Synset& synset, std::uint32_t source, const SynsetPointer& pointer,
                                FactSink& sink, std::uint64_t line) {
  const PointerType* const type = find_pointer_type(pointer.symbol, synset.key.part);
  const auto target = names_->find(pointer.target);
  if (!target) {
    ++dangling_;
    return;
  }
  std::uint32_t head = source;
  std::uint32_t tail = *target;
  const bool swap = type->direction == Direction::kInverse ||
                    (type->direction == Direction::kSymmetric && names_->name(tail) < names_->name(head)) ||
                    (type->direction == Direction::kNounFirst && pointer.target.part == WordNetPart::kNoun);
  if (swap) std::swap(head, tail);
  const auto relation =
      static_cast<std::uint64_t>(std::find_if(kPointerTypes.begin(), kPointerTypes.end(),
                                              [&](const auto& t) { return t.relation == type->relation; }) -
                                 kPointerTypes.begin());
  const std::uint64_t packed =
      (relation << (2 * kSynsetBits)) | (static_cast<std::uint64_t>(head) << kSynsetBits) | tail;
  if (seen_.insert(packed).second) sink.triple(names_->name(head), type->relation, names_->name(tail), line);
}

}  // namespace tessera::partition
