// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::partition {

enum class InputFormat {
  kAuto,  ///< WordNet by file name (data.noun, ...), else N-Triples when the first statement looks like it, else text
  kText,
  kNTriples,
  kWordNet,
};

enum class Separator {
  kAuto,   ///< the first of tab, comma, space that cuts the first non-empty line into three
  kTab,    ///< exact; no quoting
  kComma,  ///< RFC 4180 quoting, no line breaks inside quotes
  kSpace,  ///< any run of spaces
};

/// Everything `tessera import` can be told. File names may be "-" (standard input); gzip and zstd are recognised by
/// content; a folder stands for the WordNet files data.noun, data.verb, data.adj and data.adv in it.
struct ImportOptions {
  std::vector<std::string> inputs;  ///< one set of triples, split at random; excludes the next three
  std::vector<std::string> train;   ///< given splits
  std::vector<std::string> valid;
  std::vector<std::string> test;
  std::vector<std::string> attributes;  ///< 3-column text: entity, attribute, value

  InputFormat format = InputFormat::kAuto;
  Separator separator = Separator::kAuto;
  std::string columns = "hrt";  ///< what the columns are: a permutation of head, relation, tail
  bool header = false;          ///< the first non-empty line of every text file is not a triple

  double valid_fraction = 0.05;  ///< fraction of the distinct triples of `inputs`
  double test_fraction = 0.05;
  std::uint64_t seed = 1;

  bool allow_unseen = false;    ///< keep given valid/test triples with an entity or relation that train does not have
  bool skip_bad_lines = false;  ///< count and report malformed lines instead of stopping at the first
  bool keep_isolated = false;   ///< keep entities that have attributes but no triple

  std::filesystem::path temporary_folder;           ///< for spilled records; empty: the system's
  std::uint64_t sort_memory_bytes = 256ULL << 20U;  ///< bound of one sort buffer
  std::uint64_t name_memory_bytes = ~0ULL;          ///< of entity names that are read; beyond it they go to disk
  std::string memory;       ///< of import_graph: "4GiB", which bounds the two above; empty: the machine's
  std::size_t threads = 1;  ///< they change no bit
  std::uint64_t longest_line_bytes = 16ULL << 20U;
};

}  // namespace tessera::partition
