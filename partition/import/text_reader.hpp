// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/fact_sink.hpp"
#include "partition/import/line_reader.hpp"
#include "partition/import/line_splitter.hpp"
#include "partition/import/options.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace tessera::partition {

inline constexpr std::size_t kNoColumn = ~std::size_t{0};

/// Which column holds what, from 0.
struct ColumnOrder {
  std::size_t head = 0;
  std::size_t relation = 1;  ///< kNoColumn: all triples have the same relation
  std::size_t tail = 2;
  /// From a permutation of "hrt". Throws Error(kUsage).
  static ColumnOrder parse(const std::string& columns);
};

/// A column of a table of entities, and the attribute that it becomes.
struct NodeValue {
  std::size_t column;
  std::string attribute;
};

/// How to read a file of text: what `auto` meant is decided.
struct TextFormat {
  enum class Content {
    kTriples,
    kAttributes,  ///< entity, attribute, value; a value may be empty
    kNodes,       ///< an entity with its attributes; an empty field is no value
  };
  Content content = Content::kTriples;
  Separator separator = Separator::kTab;
  bool header = false;    ///< the first line that is not empty is no triple
  std::size_t count = 3;  ///< columns of each line
  bool trim = false;
  ColumnOrder columns = {};
  std::size_t weight = kNoColumn;
  TripleColumns extras = {};  ///< its relation_name and prefixes
  std::size_t id = 0;         ///< of kNodes
  std::string id_prefix = {};
  std::vector<NodeValue> values = {};
};

/// Reads records; empty lines are passed over. A field is taken as it is: never trimmed unless asked, never a number.
void read_text(LineReader& lines, const TextFormat& format, FactSink& sink);

}  // namespace tessera::partition
