// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "evaluate/evaluator.hpp"
#include "graph/graph_reader.hpp"
#include "storage/hdf5.hpp"
#include "storage/string_blocks.hpp"

#include <cstdint>
#include <deque>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::evaluate::detail {

/// A file of candidates (docs/formats/candidates.md) as records in global ids, some lines at a time; used on rank 0.
/// Names stay compressed and are looked up in order, a block of lines at once; no table of all entities.
class CandidateReader {
 public:
  /// Throws Error(kMissingInput), Error(kBadData).
  CandidateReader(CandidateFile files, const std::string& graph_digest);

  /// A record is kHeader numbers, then its candidates.
  enum Field : std::size_t { kLine, kSource, kRelation, kTarget, kCount, kHeader };
  /// Replaces `records` by those of the next lines; empty at the end of the file. Throws Error(kBadData) that names the
  /// line.
  void next(std::vector<std::uint64_t>& records);

  /// "the tail of (dog, chases, cat)", for messages. A scan of all ids.
  [[nodiscard]] std::string describe(EntityId source, RelationId relation, EntityId target) const;

 private:
  struct Slot {
    std::string_view name;
    std::uint64_t line;
    std::size_t record_position;
  };
  bool next_line(std::string& line);
  void parse(std::string_view line, std::vector<std::uint64_t>& records);
  void resolve(std::vector<std::uint64_t>& records);
  [[noreturn]] void fail_unknown(const Slot& slot) const;
  [[nodiscard]] std::string where(std::uint64_t line) const;
  [[nodiscard]] std::string name_of(EntityId entity) const;

  CandidateFile files_;
  graph::GraphReader graph_;
  storage::FileReader partition_;
  storage::StringBlocks entities_;
  std::map<std::string, std::uint32_t, std::less<>> relations_;
  std::ifstream in_;
  std::uint64_t line_ = 0;
  std::deque<std::string> lines_;  // lines of the block; slots point into them
  std::vector<Slot> slots_;
};

}  // namespace tessera::evaluate::detail
