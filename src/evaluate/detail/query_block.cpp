// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/query_block.hpp"

#include "core/parallel.hpp"

#include <algorithm>

namespace tessera::evaluate::detail {
namespace {

using memory::Tag;
constexpr std::size_t kComposeTask = 128;  // queries

template <class Q>
bool continues(const Q& before, const Q& query) {
  return before.source == query.source && before.relation == query.relation;
}

}  // namespace

QueryBlock::QueryBlock(const search::Setup& setup, const model::OwnRows& rows, std::uint64_t capacity)
    : setup_(setup),
      rows_(rows),
      vectors_(setup, rows, capacity),
      rank_begin_(static_cast<std::size_t>(setup.comm.size()) + 1),
      listed_begin_(rank_begin_.size()),
      own_headers_(setup.host.allocate<QueryHeader>(Tag::kEvaluation, capacity)),
      headers_(setup.host.allocate<QueryHeader>(Tag::kEvaluation, capacity)),
      groups_(setup.host.allocate<Group>(Tag::kEvaluation, capacity + 1)) {}

std::uint64_t QueryBlock::bytes(std::uint64_t capacity, std::size_t dim) {
  return search::QueryVectors::bytes(capacity, dim) + 2 * search::host_bytes<QueryHeader>(capacity) +
         search::host_bytes<Group>(capacity + 1);
}

void QueryBlock::gather(const QueryOrder& order, const EntityLists& lists, float row_magnitude, std::uint64_t first,
                        std::uint64_t count) {
  count_ = count;
  split_by_rank(order, first);
  compose(order, lists, row_magnitude, first);
  exchange();
  find_groups(lists.by_target());
}

void QueryBlock::split_by_rank(const QueryOrder& order, std::uint64_t first) {
  for (std::size_t r = 0; r < rank_begin_.size(); ++r)
    rank_begin_[r] = std::clamp(order.rank_offset(r), first, first + count_) - first;
}

void QueryBlock::compose(const QueryOrder& order, const EntityLists& lists, float row_magnitude, std::uint64_t first) {
  const auto me = static_cast<std::size_t>(setup_.comm.rank().value());
  const std::size_t own = rank_begin_[me + 1] - rank_begin_[me];
  const std::uint64_t first_own = first + rank_begin_[me] - order.rank_offset(me);
  const auto compose_one = [&](std::size_t i) {
    const OwnQuery query = order.own(first_own + i);
    const bool ok = vectors_.compose(i, query.query, row_magnitude);
    own_headers_[i] = {query.query.source.value(),
                       query.target.value(),
                       0,
                       query.query.relation.value(),
                       static_cast<std::uint16_t>(rows_.is_unseen(query.query.source) ? 1 : 0),
                       static_cast<std::uint16_t>(ok ? 1 : 0)};
    const bool first_of_group =
        i == 0 || lists.by_target() || !continues(order.own(first_own + i - 1).query, query.query);
    if (first_of_group) own_headers_[i].listed = lists.size(query);
  };
  parallel_for((own + kComposeTask - 1) / kComposeTask, setup_.host.workers(), [&](std::size_t task) {
    for (std::size_t i = task * kComposeTask; i < std::min(own, (task + 1) * kComposeTask); ++i) compose_one(i);
  });
}

void QueryBlock::exchange() {
  const auto me = static_cast<std::size_t>(setup_.comm.rank().value());
  const std::size_t own = rank_begin_[me + 1] - rank_begin_[me];
  search::gather_by_rank<QueryHeader>(setup_.comm, rank_begin_, own_headers_.span().first(own),
                                      headers_.span().first(count_));
  vectors_.gather(rank_begin_);
}

void QueryBlock::find_groups(bool by_target) {
  group_count_ = 0;
  std::uint64_t listed = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    if (i == 0 || by_target || !continues(headers_[i - 1], headers_[i]))
      groups_[group_count_++] = {listed, static_cast<std::uint32_t>(i)};
    listed += headers_[i].listed;
  }
  groups_[group_count_] = {listed, static_cast<std::uint32_t>(count_)};
  const auto groups = groups_.span().first(group_count_ + 1);
  for (std::size_t r = 0; r < rank_begin_.size(); ++r)  // a rank starts with a new group
    listed_begin_[r] = std::partition_point(groups.begin(), groups.end(), [&](const Group& group) {
                         return group.first_query < rank_begin_[r];
                       })->first_listed;
}

}  // namespace tessera::evaluate::detail
