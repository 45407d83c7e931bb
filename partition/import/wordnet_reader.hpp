// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/fact_sink.hpp"
#include "partition/import/line_reader.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace tessera::partition {

/// Parts of speech as the files are named; adjective satellites are in data.adj.
enum class WordNetPart : std::uint8_t { kNoun, kVerb, kAdjective, kAdverb };

/// data.noun, data.verb, data.adj, data.adv, also with .gz or .zst behind.
std::optional<WordNetPart> wordnet_part(const std::string& path);
/// The index file that belongs to a data file: "x/data.noun.gz" -> "x/index.noun.gz".
std::string wordnet_index(const std::string& data_path);

struct SynsetKey {
  WordNetPart part = WordNetPart::kNoun;
  std::uint32_t offset = 0;
  auto operator<=>(const SynsetKey&) const = default;
};

struct SynsetPointer {
  std::string_view symbol;
  SynsetKey target;
};

/// One line of a data file, wndb(5WN). Views point into the line.
struct Synset {
  SynsetKey key;
  char type = 'n';    ///< n, v, a, s (satellite), r
  std::string lemma;  ///< the first word in lower case, without a syntactic marker
  std::vector<SynsetPointer> pointers;
  std::string_view gloss;
};

/// Parses a data line; returns what is wrong with it, or an empty string.
std::string parse_synset(std::string_view line, WordNetPart part, Synset& synset);

/// Readable names of synsets, as NLTK makes them: lemma.type.NN, where NN is the sense number of the synset's first
/// lemma.
class SynsetNames {
 public:
  /// Collects the synsets of a data file; bad lines are left to WordNetReader.
  void add_data(LineReader& lines, WordNetPart part);
  /// Takes sense numbers from the order of synsets in an index file. Throws Error(kBadData) for a malformed line.
  void add_index(LineReader& lines, WordNetPart part);
  /// Throws Error(kBadData) when the index files have no sense number for a synset.
  void finish();

  /// The number of a synset in 0 .. size-1, if its data file was added.
  [[nodiscard]] std::optional<std::uint32_t> find(SynsetKey key) const;
  [[nodiscard]] const std::string& name(std::uint32_t number) const { return synsets_[number].name; }
  [[nodiscard]] std::size_t size() const { return synsets_.size(); }

 private:
  struct Named {
    std::string name;  // the lemma until finish()
    char type;
    std::uint32_t sense;
  };
  static std::uint64_t packed(SynsetKey key) { return (static_cast<std::uint64_t>(key.part) << 32U) | key.offset; }
  std::unordered_map<std::uint64_t, std::uint32_t> numbers_;
  std::vector<Named> synsets_;
};

/// Reads data files into triples. Of each pair of inverse pointers one direction is kept (docs in README.md); a
/// symmetric pointer becomes one triple whose head has the smaller name; word-level pointers count for their synsets; a
/// triple is given once. The gloss becomes the attribute "gloss".
class WordNetReader {
 public:
  explicit WordNetReader(const SynsetNames& names) : names_(&names) {}
  void read(LineReader& lines, WordNetPart part, FactSink& sink);
  /// Pointers to synsets of data files that were not given.
  [[nodiscard]] std::uint64_t dangling() const { return dangling_; }

 private:
  void add_pointer(const Synset& synset, std::uint32_t source, const SynsetPointer& pointer, FactSink& sink,
                   std::uint64_t line);
  const SynsetNames* names_;
  std::unordered_set<std::uint64_t> seen_;
  std::uint64_t dangling_ = 0;
};

}  // namespace tessera::partition
