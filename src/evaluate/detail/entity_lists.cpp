// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/entity_lists.hpp"

#include <algorithm>

namespace tessera::evaluate::detail {

std::span<const std::uint64_t> KnownAnswers::list(graph::Split split, const QueryOrder::OwnQuery& query) const {
  return shard_.parts[query.part].queries(split).known_targets(query.row, query.relation);
}

std::uint64_t KnownAnswers::size(const QueryOrder::OwnQuery& query) const {
  std::uint64_t size = 0;
  for (const graph::Split split : splits_) size += list(split, query).size();
  return size;
}

void KnownAnswers::copy(const QueryOrder::OwnQuery& query, std::uint64_t first, std::uint64_t end,
                        std::uint64_t* out) const {
  std::uint64_t start = 0;
  for (std::size_t i = 0; i < splits_.size(); ++i) {
    const auto answers = list(splits_[i], query);
    for (std::uint64_t k = std::max(first, start); k < std::min(end, start + answers.size()); ++k)
      *out++ = is_in_first(i, query, answers[k - start]) ? kNobody : answers[k - start];
    start += answers.size();
  }
}

bool KnownAnswers::contains(const QueryOrder::OwnQuery& query, std::uint64_t entity) const {
  return is_in_first(splits_.size(), query, entity);
}

bool KnownAnswers::is_in_first(std::size_t splits, const QueryOrder::OwnQuery& query, std::uint64_t entity) const {
  for (std::size_t i = 0; i < splits; ++i) {
    const auto answers = list(splits_[i], query);
    if (std::binary_search(answers.begin(), answers.end(), entity)) return true;
  }
  return false;
}

}  // namespace tessera::evaluate::detail
