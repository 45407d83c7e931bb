// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/triple_list.hpp"

#include "core/error.hpp"

#include <utility>

namespace tessera::predict {

TripleList::TripleList(std::filesystem::path file, const Names& names)
    : lines_(std::move(file), "file of triples"), graph_(names) {}

void TripleList::next(std::uint64_t most, std::vector<Triple>& triples) {
  named_.clear();
  triples.clear();
  std::string line;
  while (triples.size() < most && lines_.next(line)) {
    if (is_comment(line)) continue;
    const std::vector<std::string> words = split_at_tabs(line);
    if (words.size() != 3)
      fail(ExitStatus::kBadData, "{}: {} columns; a triple is head, relation and tail with tabs between",
           lines_.where(), words.size());
    const Names::Place place{lines_.where()};
    const EntityId head = graph_.global_id(graph_.find_entity(words[0], place));
    const RelationId relation(graph_.find_relation(words[1], place));
    const EntityId tail = graph_.global_id(graph_.find_entity(words[2], place));
    triples.push_back({head, relation, tail});
    named_.push_back({words[0], words[1], words[2]});
  }
}

}  // namespace tessera::predict
