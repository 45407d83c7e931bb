// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/metrics.hpp"
#include "evaluate/relation_class.hpp"
#include "memory/pool.hpp"
#include "search/setup.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::evaluate {

/// The property that groups queries.
enum class Grouping : std::size_t {
  kRelation,
  kClass,   ///< RelationClass of the relation
  kDegree,  ///< degree of the target in the training split: bucket b > 0 holds degrees 2^(b-1) .. 2^b - 1, bucket 0 the
            ///< unseen
};
inline constexpr std::array<Grouping, 3> kGroupings = {Grouping::kRelation, Grouping::kClass, Grouping::kDegree};
/// "relation", "class", "degree".
const char* name(Grouping grouping);

/// Both directions, (h, r, ?) and (?, r, t): the order of Group::sides.
enum class GroupSide : std::uint8_t { kBoth, kTail, kHead };
inline constexpr std::array<GroupSide, 3> kGroupSides = {GroupSide::kBoth, GroupSide::kTail, GroupSide::kHead};
/// "both", "tail", "head".
const char* name(GroupSide side);

/// The queries of one group, realistic tie rule.
struct Group {
  std::uint64_t key = 0;  ///< relation id in graph.h5, RelationClass, or degree bucket
  struct Side {
    std::uint64_t queries = 0;
    double mean_candidates = 0;
    RankMetrics metrics;
    bool operator==(const Side&) const = default;
  };
  std::array<Side, 3> sides;
  [[nodiscard]] const Side& operator[](GroupSide side) const { return sides.at(static_cast<std::size_t>(side)); }
  bool operator==(const Group&) const = default;
};

/// The groups of every grouping that have queries, ascending by key, and the class of every relation.
struct Groups {
  std::array<std::vector<Group>, 3> by;
  std::vector<RelationClass> relation_classes;
  [[nodiscard]] const std::vector<Group>& operator[](Grouping grouping) const {
    return by.at(static_cast<std::size_t>(grouping));
  }
};

/// Smallest and largest degree of a bucket.
std::uint64_t first_degree(std::uint64_t bucket);
std::uint64_t last_degree(std::uint64_t bucket);

/// Sums ranked queries by group, in the order in which they come: every rank that is given all of them has the same
/// bits. About 300 bytes per relation (Tag::kEvaluation), whatever the number of queries.
class Breakdown {
 public:
  /// Collective. Throws AgreedError(kOverBudget).
  explicit Breakdown(const search::Ranks& setup);
  void add(std::span<const RankedQuery> queries);
  [[nodiscard]] Groups groups() const;

 private:
  struct Sums {
    QuerySums queries;
    RankSums ranks;
    void add(const RankedQuery& query, double rank);
    void add(const Sums& other);
    [[nodiscard]] Group::Side mean() const;
  };
  [[nodiscard]] static std::vector<Group> groups_of(std::span<const Sums> sums);

  std::uint64_t relations_;
  std::vector<RelationClass> classes_;
  memory::Buffer<Sums> by_relation_;  // two per group: tail, head
  memory::Buffer<Sums> by_class_;
  memory::Buffer<Sums> by_degree_;
};

}  // namespace tessera::evaluate
