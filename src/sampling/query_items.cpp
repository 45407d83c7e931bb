// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/query_items.hpp"

#include <algorithm>
#include <limits>
#include <span>

namespace tessera::sampling {
namespace {

/// Calls visit(i) for the first query of every item; queries of one (source, relation) lie together.
template <class Visit>
void for_each_group(const graph::QuerySet& queries, std::uint64_t most_answers, const Visit& visit) {
  const auto offsets = queries.relation_offsets();
  std::uint64_t first = 0;
  for (std::size_t r = 0; r + 1 < offsets.size(); ++r)
    for (std::uint64_t i = offsets[r]; i < offsets[r + 1]; ++i) {
      const bool same = i > offsets[r] && queries.sources()[i] == queries.sources()[i - 1];
      if (same && i - first < most_answers) continue;
      first = i;
      visit(i);
    }
}

ItemCount count_groups(const graph::QuerySet& queries, std::uint64_t most_answers) {
  ItemCount count;
  std::uint64_t first = 0;
  for_each_group(queries, most_answers, [&](std::uint64_t i) {
    ++count.items;
    count.largest = std::max(count.largest, i - first);
    first = i;
  });
  count.largest = std::max(count.largest, queries.size() - first);
  return count;
}

}  // namespace

QueryItems::QueryItems(const graph::QuerySet& queries, std::uint64_t most_answers, std::uint64_t count,
                       memory::Pool& pool)
    : count_(count), first_(pool.allocate<std::uint64_t>(memory::Tag::kQueries, count_ + 1)) {
  std::uint64_t group = 0;
  for_each_group(queries, most_answers, [&](std::uint64_t i) { first_[group++] = i; });
  first_[count_] = queries.size();
}

std::uint64_t most_answers(const Job& job) {
  constexpr std::uint64_t kMostAnswers = 32;
  return job.loss.name == "bce" ? std::numeric_limits<std::uint64_t>::max() : kMostAnswers;
}

std::vector<ItemCount> count_items(comm::Communicator& comm, const graph::Shard& shard, const Job& job) {
  std::vector<ItemCount> all(shard.manifest.part_count());
  for (std::size_t p = 0; p < all.size(); ++p) all[p].items = shard.manifest.figures[p].queries;
  if (!job.train.group_queries) return all;
  std::vector<ItemCount> own;
  for (const graph::Part& part : shard.parts)
    own.push_back(count_groups(part.queries(graph::Split::kTrain), most_answers(job)));
  std::vector<std::uint64_t> bytes;
  for (std::int32_t r = 0; r < comm.size(); ++r)
    bytes.push_back(sizeof(ItemCount) *
                    (shard.placement.end_part(Rank(r)).value() - shard.placement.first_part(Rank(r)).value()));
  comm.all_gather(std::as_bytes(std::span(own)), std::as_writable_bytes(std::span(all)), bytes);
  return all;
}

}  // namespace tessera::sampling
