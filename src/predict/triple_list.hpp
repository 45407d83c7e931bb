// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "predict/name_list.hpp"
#include "predict/names.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::predict {

struct NamedTriple {
  std::string head;
  std::string relation;
  std::string tail;
  std::uint64_t head_id = 0;  ///< original ids
  std::uint64_t tail_id = 0;
};

/// Triples by name in a UTF-8 text file or pipe, read some at a time: head, relation, tail with tabs between. A first
/// line that has these three words among others is a header: then columns have that order, and others are ignored.
/// Empty lines are skipped, and lines without a tab that begin with #. "-" is standard input.
class TripleList {
 public:
  /// `names` outlive this. Throws Error(kMissingInput), Error(kIo).
  TripleList(std::filesystem::path file, const Names& names);
  /// triples = the next ones, at most `most`, in global ids; none at the end. Throws Error(kBadData) with file and
  /// line: names that do not exist (with the nearest), or other columns.
  void next(std::uint64_t most, std::vector<Triple>& triples);
  /// Names of the last that next() gave, as the graph has them.
  [[nodiscard]] const std::vector<NamedTriple>& names() const { return named_; }

 private:
  bool read_header(const std::vector<std::string>& words);
  LineReader lines_;
  std::array<std::size_t, 3> columns_ = {0, 1, 2};  // of head, relation, tail
  std::size_t width_ = 3;                           // columns of a line
  bool is_first_ = true;
  const Names& graph_;
  std::vector<NamedTriple> named_;
};

}  // namespace tessera::predict
