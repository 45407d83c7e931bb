// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::partition {

enum class InputFormat {
  kAuto,  ///< of each file: WordNet by file name (data.noun, ...), else by the first lines
  kText,
  kNTriples,
  kNQuads,
  kTurtle,
  kTriG,
  kRdfXml,
  kWordNet,
};

enum class Separator {
  kAuto,       ///< of each file: the one that cuts most of the first lines into as many columns as are needed
  kTab,        ///< exact; no quoting
  kComma,      ///< RFC 4180 quoting
  kSemicolon,  ///< RFC 4180 quoting
  kSpace,      ///< any run of spaces
};

enum class Header {
  kAuto,  ///< of each file: the first line is a header when it names the columns
  kYes,
  kNo,
};

/// Which columns of a table make triples: names from its header, or numbers from 1. All empty: three columns.
struct TripleColumns {
  std::string head;
  std::string relation;
  std::string tail;
  std::string relation_name;  ///< of all triples, in place of a column
  std::string head_prefix;    ///< put before each head
  std::string tail_prefix;
  std::string weight;  ///< of training triples; empty: they have no weights
  [[nodiscard]] bool given() const { return !head.empty() || !relation.empty() || !tail.empty(); }
};

/// Which columns of a table of entities are read, likewise. Without type, label and attributes: all.
struct NodeColumns {
  std::string id;
  std::string type;   ///< becomes the attribute "type"
  std::string label;  ///< becomes the attribute "label", one for each entity
  std::vector<std::string> attributes;
  std::string id_prefix;
};

/// Everything `tessera import` can be told. File names may be "-" (standard input); gzip and zstd are recognised by
/// content; a folder stands for the files in it: WordNet's, or a data set of OpenKE, LibKGE or PyKEEN.
struct ImportOptions {
  std::vector<std::string> inputs;  ///< one set of triples, split at random; excludes the next three
  std::vector<std::string> train;   ///< given splits
  std::vector<std::string> valid;
  std::vector<std::string> test;
  std::vector<std::string> attributes;  ///< 3-column text (entity, attribute, value) or RDF
  std::vector<std::string> entities;    ///< tables of entities
  std::string entity_names;             ///< what the ids in the triples mean: a file of two columns, id and name
  std::string relation_names;

  InputFormat format = InputFormat::kAuto;
  Separator separator = Separator::kAuto;
  std::string columns;  ///< of three: a permutation of head, relation, tail; empty: hrt, or what a header says
  TripleColumns triple_columns;
  NodeColumns node_columns;
  Header header = Header::kAuto;
  bool trim = false;  ///< take blanks off both ends of each field

  double valid_fraction = 0.05;  ///< fraction of the distinct triples of `inputs`
  double test_fraction = 0.05;
  std::uint64_t seed = 1;

  bool allow_unseen = false;    ///< keep given valid/test triples with an entity or relation that train does not have
  bool skip_bad_lines = false;  ///< count and report malformed lines instead of stopping at the first
  bool keep_isolated = false;   ///< keep entities that have attributes, or a line in a table, but no triple

  std::filesystem::path temporary_folder;           ///< for spilled records; empty: the system's
  std::uint64_t sort_memory_bytes = 256ULL << 20U;  ///< bound of one sort buffer
  std::uint64_t name_memory_bytes = ~0ULL;          ///< of entity names that are read; beyond it they go to disk
  std::string memory;       ///< of import_graph: "4GiB", which bounds the two above; empty: the machine's
  std::size_t threads = 1;  ///< they change no bit
  std::uint64_t longest_line_bytes = 16ULL << 20U;
};

}  // namespace tessera::partition
