// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/list_counts.hpp"

#include "core/parallel.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::evaluate::detail {
namespace {

using memory::Tag;

constexpr std::size_t kGroupsPerTask = 64;

/// The group that has place `k` of the lists of the block.
std::size_t group_of(const QueryBlock& block, std::uint64_t k) {
  std::size_t low = 0;
  std::size_t high = block.group_count();
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (block.group(middle).first_listed <= k ? low : high) = middle;
  }
  return low;
}

}  // namespace

ListCounts::ListCounts(const search::Setup& setup, const PairScorer& scorer, std::uint64_t round,
                       const search::RowMask* among)
    : setup_(setup),
      scorer_(scorer),
      round_(round),
      among_(among),
      rank_begin_(static_cast<std::size_t>(setup.comm.size()) + 1),
      own_entities_(setup.host.allocate<std::uint64_t>(Tag::kEvaluation, round)),
      entities_(setup.host.allocate<std::uint64_t>(Tag::kEvaluation, round)),
      query_of_(setup.host.allocate<std::uint32_t>(Tag::kEvaluation, round)),
      scores_(setup.host.allocate<float>(Tag::kEvaluation, round)) {}

std::uint64_t ListCounts::bytes(std::uint64_t round) {
  return 2 * search::host_bytes<std::uint64_t>(round) + search::host_bytes<std::uint32_t>(round) +
         search::host_bytes<float>(round);
}

void ListCounts::add(const QueryBlock& block, const EntityLists& lists, int sign, const Counts& counts) {
  for (std::uint64_t first = 0; first < block.listed_count(); first += round_) {
    const Range listed{first, std::min(first + round_, block.listed_count())};
    exchange(block, lists, listed);
    find_queries(block, listed);
    scorer_.score(block.vectors(), query_of_.span().first(listed.size()), entities_.span().first(listed.size()),
                  scores_.span().first(listed.size()), among_);
    const std::size_t begin = group_of(block, listed.first);
    const std::size_t groups = group_of(block, listed.end - 1) + 1 - begin;
    parallel_for((groups + kGroupsPerTask - 1) / kGroupsPerTask, setup_.host.workers(), [&](std::size_t task) {
      for (std::size_t g = task * kGroupsPerTask; g < std::min(groups, (task + 1) * kGroupsPerTask); ++g)
        add_group(block, begin + g, listed, sign, counts);
    });
  }
}

void ListCounts::exchange(const QueryBlock& block, const EntityLists& lists, Range listed) {
  for (std::size_t r = 0; r < rank_begin_.size(); ++r)
    rank_begin_[r] = std::clamp(block.listed_begin(r), listed.first, listed.end) - listed.first;
  const auto me = static_cast<std::size_t>(setup_.comm.rank().value());
  const Range own{listed.first + rank_begin_[me], listed.first + rank_begin_[me + 1]};
  fill_own(block, lists, own);
  search::gather_by_rank<std::uint64_t>(setup_.comm, rank_begin_, own_entities_.span().first(own.size()),
                                        entities_.span().first(listed.size()));
}

void ListCounts::fill_own(const QueryBlock& block, const EntityLists& lists, Range own) {
  if (own.size() == 0) return;
  for (std::size_t g = group_of(block, own.first); g < block.group_count() && block.group(g).first_listed < own.end;
       ++g) {
    const std::uint64_t start = block.group(g).first_listed;
    const std::uint64_t first = std::max(own.first, start);
    const std::uint64_t end = std::min(own.end, block.group(g + 1).first_listed);
    if (first >= end) continue;
    const QueryHeader& header = block.headers()[block.group(g).first_query];
    const OwnQuery query{{EntityId(header.source), RelationId(header.relation)}, EntityId(header.target)};
    lists.copy(query, first - start, own_entities_.span().subspan(first - own.first, end - first));
  }
}

void ListCounts::find_queries(const QueryBlock& block, Range listed) {
  std::size_t group = group_of(block, listed.first);
  for (std::uint64_t k = listed.first; k < listed.end; ++k) {
    while (block.group(group + 1).first_listed <= k) ++group;
    query_of_[k - listed.first] = block.group(group).first_query;
  }
}

void ListCounts::add_group(const QueryBlock& block, std::size_t group, Range listed, int sign,
                           const Counts& counts) const {
  const std::uint64_t first = std::max(listed.first, block.group(group).first_listed) - listed.first;
  const std::uint64_t end = std::min(listed.end, block.group(group + 1).first_listed) - listed.first;
  for (std::size_t i = block.group(group).first_query; i < block.group(group + 1).first_query; ++i) {
    const std::uint64_t target = block.headers()[i].target;
    const float target_score = counts.target_scores[i];
    std::int64_t greater = 0;
    std::int64_t equal = 0;
    std::int64_t others = 0;
    for (std::uint64_t k = first; k < end; ++k) {
      if (entities_[k] == target) continue;
      greater += scores_[k] > target_score ? 1 : 0;
      equal += scores_[k] == target_score ? 1 : 0;
      others += std::isnan(scores_[k]) ? 0 : 1;  // NaN: another rank's
    }
    counts.n_greater[i] += sign * greater;
    counts.n_equal[i] += sign * equal;
    counts.n_others[i] += sign * others;
  }
}

}  // namespace tessera::evaluate::detail
