// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/known_answers.hpp"

#include <algorithm>

namespace tessera::search {

std::uint64_t KnownAnswers::size(const Query& query) const {
  const Place source = shard_.place(query.source);
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < splits_.size(); ++i) size += list(i, source, query.relation).size();
  return size;
}

void KnownAnswers::copy(const Query& query, std::uint64_t first, std::span<std::uint64_t> out,
                        std::uint64_t no_entity) const {
  const Place source = shard_.place(query.source);
  std::uint64_t start = 0;
  for (std::size_t i = 0; i < splits_.size(); ++i) {
    const auto answers = list(i, source, query.relation);
    for (std::uint64_t k = std::max(first, start); k < std::min(first + out.size(), start + answers.size()); ++k) {
      const std::uint64_t answer = answers[k - start];
      out[k - first] = find_in(i, query, EntityId(answer)) ? no_entity : answer;
    }
    start += answers.size();
  }
}

std::optional<graph::Split> KnownAnswers::find_own(const Query& query, EntityId answer) const {
  const auto relations = static_cast<std::uint32_t>(shard_.manifest.relation_count);
  const std::uint32_t relation = query.relation.value();
  const RelationId inverse(relation < relations ? relation + relations : relation - relations);
  return find({answer, inverse}, query.source);
}

std::optional<graph::Split> KnownAnswers::find_in(std::size_t splits, const Query& query, EntityId answer) const {
  const Place source = shard_.place(query.source);
  for (std::size_t i = 0; i < splits; ++i) {
    const auto answers = list(i, source, query.relation);
    if (std::binary_search(answers.begin(), answers.end(), answer.value())) return splits_[i];
  }
  return std::nullopt;
}

}  // namespace tessera::search
