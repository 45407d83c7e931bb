// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/queries/target_exchange.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::exchange {

using memory::Tag;

TargetExchange::TargetExchange(comm::Communicator& comm, const graph::Shard& shard, const QuerySizes& sizes,
                               memory::Pool& pool)
    : comm_(comm),
      shard_(shard),
      query_begin_(sizes.queries.size() + 1, 0),
      target_begin_(sizes.targets.size() + 1, 0),
      counts_(sizes.queries.size()),
      own_counts_(shard.parts.size()),
      bytes_(static_cast<std::size_t>(comm.size())) {
  std::uint64_t own_targets = 0;
  for (const graph::Part& part : shard.parts) own_targets += sizes.targets[part.id().index()];
  own_targets_ = pool.allocate<QueryTarget>(Tag::kExchange, own_targets);
  targets_ = pool.allocate<QueryTarget>(Tag::kExchange,
                                        std::accumulate(sizes.targets.begin(), sizes.targets.end(), std::uint64_t{0}));
}

template <class Bytes>
void TargetExchange::count_bytes(const Bytes& bytes) {
  for (std::size_t r = 0; r < bytes_.size(); ++r) {
    const Rank rank(static_cast<std::int32_t>(r));
    bytes_[r] = bytes(shard_.placement.first_part(rank).index(), shard_.placement.end_part(rank).index());
  }
}

std::uint64_t TargetExchange::gather_counts(std::span<const PartQueries> own, std::uint64_t failed) {
  for (std::size_t p = 0; p < own.size(); ++p) own_counts_[p] = {own[p].queries, own[p].targets.size(), failed};
  count_bytes([](std::size_t first, std::size_t end) { return sizeof(Count) * (end - first); });
  comm_.all_gather(std::as_bytes(std::span(own_counts_)), std::as_writable_bytes(std::span(counts_)), bytes_);
  std::uint64_t first_failed = kNone;
  for (std::size_t p = 0; p < counts_.size(); ++p) {
    query_begin_[p + 1] = query_begin_[p] + counts_[p].queries;
    target_begin_[p + 1] = target_begin_[p] + counts_[p].targets;
    first_failed = std::min(first_failed, counts_[p].failed);
  }
  return first_failed;
}

std::uint64_t TargetExchange::gather(std::span<const PartQueries> own, std::uint64_t failed) {
  TESSERA_ASSERT(own.size() == shard_.parts.size(), "one set of queries per owned part");
  const std::uint64_t first_failed = gather_counts(own, failed);
  std::uint64_t target = 0;
  for (std::size_t p = 0; p < own.size(); ++p) {
    const auto first = static_cast<std::uint32_t>(query_begin_[shard_.parts[p].id().index()]);
    for (QueryTarget entry : own[p].targets) {
      entry.query += first;
      own_targets_[target++] = entry;
    }
  }
  count_bytes([&](std::size_t first, std::size_t end) {
    return sizeof(QueryTarget) * (target_begin_[end] - target_begin_[first]);
  });
  comm_.all_gather(std::as_bytes(own_targets_.span().first(target)),
                   std::as_writable_bytes(targets_.span().first(target_begin_.back())), bytes_);
  return first_failed;
}

}  // namespace tessera::exchange
