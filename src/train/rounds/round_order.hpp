// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "sampling/round.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::train {

/// The rounds of an epoch when only some parts have their rows in memory. Every two parts are in memory together in at
/// least one round. Parts are swapped in groups of `group_size()`, so that several ranks swap at the same time. From
/// one round to the next, one group leaves and another one takes its slots; all other parts keep theirs.
///
/// The order is BETA (Mohoney et al., Marius, OSDI 2021) over groups: some groups stay while all others pass through
/// the last slots; then the next ones stay. Where a quarter of 16 groups is in memory, it has 1.11 times the least
/// number of swaps; elsewhere up to 1.25 times. Which parts form a group, and the order of groups, are random in (seed,
/// epoch), which mixes the parts anew in every epoch (COMET, Waleffe et al., EuroSys 2023). Ranks and threads change
/// nothing.
class RoundOrder {
 public:
  /// 2 <= resident < parts.
  RoundOrder(std::uint32_t parts, std::uint32_t resident, std::uint64_t seed, std::uint32_t epoch);

  /// Parts that are swapped together: the largest number that divides both counts and leaves at least 4 groups in
  /// memory; else 1.
  static std::uint32_t group_size(std::uint32_t parts, std::uint32_t resident);
  /// What rounds of a graph with so many parts and entities know of it.
  static sampling::Round round_of(std::uint32_t parts, std::uint32_t resident, std::uint64_t entities);
  /// Groups read from disk after the first round.
  static std::uint64_t swaps(std::uint32_t parts, std::uint32_t resident);

  [[nodiscard]] std::size_t rounds() const { return rounds_.size(); }
  [[nodiscard]] std::uint32_t group_count() const { return static_cast<std::uint32_t>(members_.size()) / group_size_; }
  [[nodiscard]] std::uint32_t group_of(PartId part) const { return group_of_[part.index()]; }
  /// The groups in memory, by place.
  [[nodiscard]] std::span<const std::uint32_t> groups(std::size_t round) const { return rounds_[round]; }
  /// The part in a slot, 0 .. resident - 1. Slots of one place are `places` apart: contiguous runs of slots, as ranks
  /// own them, have members of all groups.
  [[nodiscard]] PartId part(std::size_t round, std::uint32_t slot) const;

 private:
  std::uint32_t group_size_;
  std::vector<PartId> members_;          // group k has members [k * group_size_, ...)
  std::vector<std::uint32_t> group_of_;  // by part
  std::vector<std::vector<std::uint32_t>> rounds_;
};

/// Gives every query of an epoch to one of the rounds that have both its parts in memory, so that all rounds have about
/// the same number of queries.
class QueryRounds {
 public:
  /// `queries` [parts, parts]: how many have this source part and this target part.
  QueryRounds(const RoundOrder& order, std::span<const std::uint64_t> queries, std::uint32_t parts);

  /// The round of a query between two groups; `random` is uniform over 32 bits.
  [[nodiscard]] std::uint32_t round(std::uint32_t source_group, std::uint32_t target_group,
                                    std::uint32_t random) const {
    const Pair& pair = pairs_[source_group * groups_ + target_group];
    std::uint32_t i = pair.first;
    while (i + 1 < pair.end && random >= choices_[i].bound) ++i;
    return choices_[i].round;
  }

 private:
  struct Choice {
    std::uint32_t round;
    std::uint32_t bound;  // the round takes random numbers below it, from the bound of the choice before on
  };
  struct Pair {
    std::uint32_t first = 0;
    std::uint32_t end = 0;
  };
  std::size_t groups_;
  std::vector<Pair> pairs_;
  std::vector<Choice> choices_;
};

}  // namespace tessera::train
