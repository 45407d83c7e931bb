// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/triple_list.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <utility>

namespace tessera::predict {

TripleList::TripleList(std::filesystem::path file, const Names& names)
    : lines_(std::move(file), "file of triples"), graph_(names) {}

bool TripleList::read_header(const std::vector<std::string>& words) {
  constexpr std::array<const char*, 3> kNames = {"head", "relation", "tail"};
  std::array<std::size_t, 3> columns{};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const auto found = std::find(words.begin(), words.end(), kNames.at(i));
    if (found == words.end()) return false;
    columns.at(i) = static_cast<std::size_t>(found - words.begin());
  }
  columns_ = columns;
  width_ = words.size();
  return true;
}

void TripleList::next(std::uint64_t most, std::vector<Triple>& triples) {
  named_.clear();
  triples.clear();
  std::string line;
  while (triples.size() < most && lines_.next(line)) {
    if (is_comment(line)) continue;
    const std::vector<std::string> words = split_at_tabs(line);
    if (std::exchange(is_first_, false) && read_header(words)) continue;
    if (words.size() != width_)
      fail(ExitStatus::kBadData,
           "{}: {} columns, not {}; a triple is head, relation and tail with tabs between, or as a "
           "header says that has these names",
           lines_.where(), words.size(), width_);
    const Names::Place place{lines_.where()};
    const std::uint64_t head = graph_.find_entity(words[columns_[0]], place);
    const std::uint32_t relation = graph_.find_relation(words[columns_[1]], place);
    const std::uint64_t tail = graph_.find_entity(words[columns_[2]], place);
    triples.push_back({graph_.global_id(head), RelationId(relation), graph_.global_id(tail)});
    named_.push_back({graph_.entity(head), graph_.relation(relation), graph_.entity(tail), head, tail});
  }
}

}  // namespace tessera::predict
