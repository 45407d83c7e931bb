// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/breakdown.hpp"

#include "comm/agreement.hpp"

#include <bit>

namespace tessera::evaluate {
namespace {

constexpr std::size_t kDegreeBuckets = 33;  // buckets of 32-bit degrees

}  // namespace

const char* name(Grouping grouping) {
  constexpr std::array<const char*, 3> kNames = {"relation", "class", "degree"};
  return kNames.at(static_cast<std::size_t>(grouping));
}

const char* name(GroupSide side) {
  constexpr std::array<const char*, 3> kNames = {"both", "tail", "head"};
  return kNames.at(static_cast<std::size_t>(side));
}

std::uint64_t first_degree(std::uint64_t bucket) { return bucket == 0 ? 0 : std::uint64_t{1} << (bucket - 1); }
std::uint64_t last_degree(std::uint64_t bucket) { return (std::uint64_t{1} << bucket) - 1; }

void Breakdown::Sums::add(const RankedQuery& query, double rank) {
  queries.add(query);
  ranks.add(rank);
}

void Breakdown::Sums::add(const Sums& other) {
  queries.add(other.queries);
  ranks.add(other.ranks);
}

Group::Side Breakdown::Sums::mean() const {
  if (queries.queries == 0) return {};
  return {queries.queries, static_cast<double>(queries.candidates) / static_cast<double>(queries.queries),
          ranks.mean(queries)};
}

Breakdown::Breakdown(const search::Ranks& setup)
    : relations_(setup.shard.manifest.relation_count), classes_(evaluate::relation_classes(setup)) {
  comm::together(setup.comm, [&] {
    by_relation_ = setup.host.allocate<Sums>(memory::Tag::kEvaluation, 2 * relations_);
    by_class_ = setup.host.allocate<Sums>(memory::Tag::kEvaluation, 2 * kRelationClassCount);
    by_degree_ = setup.host.allocate<Sums>(memory::Tag::kEvaluation, 2 * kDegreeBuckets);
  });
}

void Breakdown::add(std::span<const RankedQuery> queries) {
  for (const RankedQuery& query : queries) {
    const std::size_t side = query.relation.value() < relations_ ? 0 : 1;
    const std::size_t relation = query.relation.value() - side * relations_;
    const double rank = rank_of(query, TieRule::kRealistic);
    by_relation_[2 * relation + side].add(query, rank);
    by_class_[2 * static_cast<std::size_t>(classes_[relation]) + side].add(query, rank);
    by_degree_[2 * static_cast<std::size_t>(std::bit_width(query.target_degree)) + side].add(query, rank);
  }
}

std::vector<Group> Breakdown::groups_of(std::span<const Sums> sums) {
  std::vector<Group> groups;
  for (std::size_t key = 0; key < sums.size() / 2; ++key) {
    const Sums& tail = sums[2 * key];
    const Sums& head = sums[2 * key + 1];
    Sums both = tail;
    both.add(head);
    if (both.queries.queries > 0) groups.push_back({key, {both.mean(), tail.mean(), head.mean()}});
  }
  return groups;
}

Groups Breakdown::groups() const {
  return {{groups_of(by_relation_.span()), groups_of(by_class_.span()), groups_of(by_degree_.span())}, classes_};
}

}  // namespace tessera::evaluate
