// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/known_answers.hpp"

#include "core/parallel.hpp"

#include <algorithm>
#include <array>

namespace tessera::evaluate::detail {
namespace {

using memory::Tag;

constexpr std::uint64_t kNobody = ~std::uint64_t{0};  // the place of an answer that an earlier split has too
constexpr std::size_t kGroupsPerTask = 64;

/// The known answers of one (source, relation): the lists of all splits, one after the other.
class AnswerLists {
 public:
  AnswerLists(const graph::Part& part, std::span<const graph::Split> splits, LocalRow source, RelationId relation) {
    for (const graph::Split split : splits) lists_.at(count_++) = part.queries(split).known_targets(source, relation);
  }

  /// Copies answers first .. end-1 of the whole; those of a split that an earlier one has become kNobody.
  void copy(std::uint64_t first, std::uint64_t end, std::uint64_t* out) const {
    std::uint64_t start = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      const auto list = lists_.at(i);
      for (std::uint64_t k = std::max(first, start); k < std::min(end, start + list.size()); ++k)
        *out++ = is_in_earlier(i, list[k - start]) ? kNobody : list[k - start];
      start += list.size();
    }
  }

 private:
  [[nodiscard]] bool is_in_earlier(std::size_t list, std::uint64_t entity) const {
    for (std::size_t i = 0; i < list; ++i)
      if (std::binary_search(lists_.at(i).begin(), lists_.at(i).end(), entity)) return true;
    return false;
  }
  std::array<std::span<const std::uint64_t>, 3> lists_;
  std::size_t count_ = 0;
};

/// The group that has known answer `k` of the block.
std::size_t group_of(const QueryBlock& block, std::uint64_t k) {
  std::size_t low = 0;
  std::size_t high = block.group_count();
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (block.group(middle).first_known <= k ? low : high) = middle;
  }
  return low;
}

}  // namespace

KnownAnswers::KnownAnswers(const model::Setup& setup, const model::OwnRows& rows, const PairScorer& scorer,
                           std::uint64_t round)
    : setup_(setup),
      rows_(rows),
      scorer_(scorer),
      round_(round),
      counts_bytes_(static_cast<std::size_t>(setup.comm.size())),
      own_entities_(setup.pool.allocate<std::uint64_t>(Tag::kEvaluation, round)),
      entities_(setup.pool.allocate<std::uint64_t>(Tag::kEvaluation, round)),
      query_of_(setup.pool.allocate<std::uint32_t>(Tag::kEvaluation, round)),
      scores_(setup.pool.allocate<float>(Tag::kEvaluation, round)) {}

std::uint64_t KnownAnswers::memory_bytes(std::uint64_t round) { return round * (2 * sizeof(std::uint64_t) + 8); }

void KnownAnswers::subtract(const QueryBlock& block, std::span<const graph::Split> splits,
                            std::span<const float> target_scores, std::span<std::int64_t> n_greater,
                            std::span<std::int64_t> n_equal) {
  for (std::uint64_t first = 0; first < block.known_count(); first += round_) {
    const Range known{first, std::min(first + round_, block.known_count())};
    exchange(block, splits, known);
    find_queries(block, known);
    scorer_.score(block.vectors(), query_of_.span().first(known.size()), entities_.span().first(known.size()),
                  scores_.span().first(known.size()));
    const std::size_t begin = group_of(block, known.first);
    const std::size_t groups = group_of(block, known.end - 1) + 1 - begin;
    parallel_for((groups + kGroupsPerTask - 1) / kGroupsPerTask, setup_.threads, [&](std::size_t task) {
      for (std::size_t g = task * kGroupsPerTask; g < std::min(groups, (task + 1) * kGroupsPerTask); ++g)
        subtract_group(block, begin + g, known, target_scores, n_greater, n_equal);
    });
  }
}

void KnownAnswers::exchange(const QueryBlock& block, std::span<const graph::Split> splits, Range known) {
  for (std::size_t r = 0; r < counts_bytes_.size(); ++r) {
    const std::uint64_t first = std::clamp(block.known_begin(r), known.first, known.end);
    const std::uint64_t end = std::clamp(block.known_begin(r + 1), known.first, known.end);
    counts_bytes_[r] = (end - first) * sizeof(std::uint64_t);
    if (r == static_cast<std::size_t>(setup_.comm.rank().value())) fill_own(block, splits, {first, end});
  }
  const std::uint64_t own = counts_bytes_[static_cast<std::size_t>(setup_.comm.rank().value())] / sizeof(std::uint64_t);
  setup_.comm.all_gather(std::as_bytes(own_entities_.span().first(own)),
                         std::as_writable_bytes(entities_.span().first(known.size())), counts_bytes_);
}

void KnownAnswers::fill_own(const QueryBlock& block, std::span<const graph::Split> splits, Range own) {
  if (own.size() == 0) return;
  for (std::size_t g = group_of(block, own.first); g < block.group_count() && block.group(g).first_known < own.end;
       ++g) {
    const std::uint64_t start = block.group(g).first_known;
    const std::uint64_t first = std::max(own.first, start);
    const std::uint64_t end = std::min(own.end, block.group(g + 1).first_known);
    if (first >= end) continue;
    const QueryHeader& header = block.headers()[block.group(g).first_query];
    const model::OwnRows::Place place = rows_.place(EntityId(header.source));
    const AnswerLists lists(setup_.shard.parts[place.part], splits, place.row, RelationId(header.relation));
    lists.copy(first - start, end - start, own_entities_.data() + (first - own.first));
  }
}

void KnownAnswers::find_queries(const QueryBlock& block, Range known) {
  std::size_t group = group_of(block, known.first);
  for (std::uint64_t k = known.first; k < known.end; ++k) {
    while (block.group(group + 1).first_known <= k) ++group;
    query_of_[k - known.first] = block.group(group).first_query;
  }
}

void KnownAnswers::subtract_group(const QueryBlock& block, std::size_t group, Range known,
                                  std::span<const float> target_scores, std::span<std::int64_t> n_greater,
                                  std::span<std::int64_t> n_equal) const {
  const std::uint64_t first = std::max(known.first, block.group(group).first_known) - known.first;
  const std::uint64_t end = std::min(known.end, block.group(group + 1).first_known) - known.first;
  for (std::size_t i = block.group(group).first_query; i < block.group(group + 1).first_query; ++i) {
    const std::uint64_t target = block.headers()[i].target;
    const float target_score = target_scores[i];
    for (std::uint64_t k = first; k < end; ++k) {
      if (entities_[k] == target) continue;
      n_greater[i] -= scores_[k] > target_score ? 1 : 0;
      n_equal[i] -= scores_[k] == target_score ? 1 : 0;
    }
  }
}

}  // namespace tessera::evaluate::detail
