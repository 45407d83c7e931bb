// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/known_answers.hpp"

#include <algorithm>

namespace tessera::predict::detail {

KnownIn KnownAnswers::find(const SearchQuery& query, EntityId own) const {
  const auto relations = static_cast<std::uint32_t>(setup_.shard.manifest.relation_count);
  const std::uint32_t relation = query.relation.value();
  const RelationId inverse(relation < relations ? relation + relations : relation - relations);
  const model::OwnRows::Place place = rows_.place(own);
  for (const graph::Split split : graph::kSplits) {
    const auto known = setup_.shard.parts[place.part].queries(split).known_targets(place.row, inverse);
    if (std::binary_search(known.begin(), known.end(), query.source.value()))
      return static_cast<KnownIn>(static_cast<std::uint8_t>(split) + 1);
  }
  return KnownIn::kNowhere;
}

void KnownAnswers::count(std::span<const SearchQuery> queries, std::span<std::int64_t> counts) const {
  for (std::size_t i = 0; i < queries.size(); ++i) {
    counts[i] = 0;
    if (!rows_.owns(queries[i].source)) continue;
    const model::OwnRows::Place place = rows_.place(queries[i].source);
    for (const graph::Split split : graph::kSplits) {
      const graph::QuerySet& own = setup_.shard.parts[place.part].queries(split);
      counts[i] += static_cast<std::int64_t>(own.known_targets(place.row, queries[i].relation).size());
    }
  }
  setup_.comm.all_reduce(counts.first(queries.size()), comm::Reduction::kSum);
}

}  // namespace tessera::predict::detail
