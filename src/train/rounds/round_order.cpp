// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rounds/round_order.hpp"

#include "core/error.hpp"
#include "core/random.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tessera::train {
namespace {

constexpr std::uint32_t kFewestGroups = 4;
constexpr std::uint32_t kGroupStream = (1U << 24U) - 3;  // no part has this number

using Groups = std::vector<std::uint32_t>;

// BETA: the first groups of `waiting` stay in the first places while all others pass through the last place. Then the
// next ones take the first places, one after the other.
std::vector<Groups> order_groups(std::uint32_t groups, std::uint32_t places) {
  std::vector<Groups> rounds;
  Groups memory(places);
  std::iota(memory.begin(), memory.end(), 0U);
  Groups disk(groups - places);
  std::iota(disk.begin(), disk.end(), places);
  rounds.push_back(memory);
  while (!disk.empty()) {
    for (std::uint32_t& next : disk) {
      std::swap(memory.back(), next);
      rounds.push_back(memory);
    }
    // Those that stayed have met all others. The last one of memory is among those that have not.
    const std::size_t replaced = std::min<std::size_t>(places - 1, disk.size());
    for (std::size_t i = 0; i < replaced; ++i) {
      memory[i] = disk[i];
      rounds.push_back(memory);
    }
    disk.erase(disk.begin(), disk.begin() + static_cast<std::ptrdiff_t>(replaced));
  }
  return rounds;
}

std::vector<PartId> shuffled_parts(std::uint32_t parts, std::uint64_t seed, std::uint32_t epoch) {
  const Permutation order(parts, RandomStream(seed, Purpose::kShuffleGroups, epoch, kGroupStream));
  std::vector<PartId> members;
  for (std::uint32_t i = 0; i < parts; ++i) members.emplace_back(static_cast<std::uint32_t>(order(i)));
  return members;
}

// The rounds that have both groups in memory, by source group and target group.
std::vector<std::vector<std::uint32_t>> meetings(const RoundOrder& order) {
  const std::size_t groups = order.group_count();
  std::vector<std::vector<std::uint32_t>> rounds(groups * groups);
  for (std::uint32_t round = 0; round < order.rounds(); ++round)
    for (const std::uint32_t a : order.groups(round))
      for (const std::uint32_t b : order.groups(round)) rounds[a * groups + b].push_back(round);
  return rounds;
}

// Adds `queries` to the loads of some rounds so that they come as near to each other as they can; returns the shares.
std::vector<std::uint64_t> spread(std::uint64_t queries, std::span<const std::uint32_t> rounds,
                                  std::vector<std::uint64_t>& loads) {
  std::vector<std::size_t> by_load(rounds.size());  // emptiest first
  std::iota(by_load.begin(), by_load.end(), 0U);
  std::stable_sort(by_load.begin(), by_load.end(),
                   [&](std::size_t a, std::size_t b) { return loads[rounds[a]] < loads[rounds[b]]; });
  const auto load = [&](std::size_t i) { return loads[rounds[by_load[i]]]; };
  std::uint64_t sum = queries + load(0);
  std::size_t filled = 1;  // the emptiest ones rise to the same level, sum / filled
  for (; filled < by_load.size() && load(filled) * filled < sum; ++filled) sum += load(filled);
  std::vector<std::uint64_t> shares(rounds.size(), 0);
  std::uint64_t rest = queries;
  for (std::size_t i = 0; i < filled; ++i) {
    shares[by_load[i]] = i + 1 == filled ? rest : std::min(rest, sum / filled - load(i));
    rest -= shares[by_load[i]];
  }
  for (std::size_t i = 0; i < rounds.size(); ++i) loads[rounds[i]] += shares[i];
  return shares;
}

}  // namespace

std::uint32_t RoundOrder::group_size(std::uint32_t parts, std::uint32_t resident) {
  for (std::uint32_t size = resident / kFewestGroups; size > 1; --size)
    if (parts % size == 0 && resident % size == 0) return size;
  return 1;
}

sampling::Round RoundOrder::round_of(std::uint32_t parts, std::uint32_t resident, std::uint64_t entities) {
  const std::uint32_t size = group_size(parts, resident);
  return {entities, parts / size, resident / size};
}

std::uint64_t RoundOrder::swaps(std::uint32_t parts, std::uint32_t resident) {
  const std::uint32_t size = group_size(parts, resident);
  return order_groups(parts / size, resident / size).size() - 1;
}

RoundOrder::RoundOrder(std::uint32_t parts, std::uint32_t resident, std::uint64_t seed, std::uint32_t epoch)
    : group_size_(group_size(parts, resident)), members_(shuffled_parts(parts, seed, epoch)), group_of_(parts) {
  TESSERA_ASSERT(resident >= 2 && resident < parts, "some parts, at least two, are in memory");
  for (std::uint32_t i = 0; i < parts; ++i) group_of_[members_[i].index()] = i / group_size_;
  rounds_ = order_groups(parts / group_size_, resident / group_size_);
}

PartId RoundOrder::part(std::size_t round, std::uint32_t slot) const {
  const auto places = static_cast<std::uint32_t>(rounds_[round].size());
  return members_[rounds_[round][slot % places] * group_size_ + slot / places];
}

QueryRounds::QueryRounds(const RoundOrder& order, std::span<const std::uint64_t> queries, std::uint32_t parts)
    : groups_(order.group_count()), pairs_(groups_ * groups_) {
  std::vector<std::uint64_t> counts(pairs_.size(), 0);
  for (std::uint32_t p = 0; p < parts; ++p)
    for (std::uint32_t q = 0; q < parts; ++q)
      counts[order.group_of(PartId(p)) * groups_ + order.group_of(PartId(q))] += queries[std::size_t{p} * parts + q];
  const std::vector<std::vector<std::uint32_t>> rounds = meetings(order);
  std::vector<std::size_t> by_choice(pairs_.size());  // what has no choice comes first
  std::iota(by_choice.begin(), by_choice.end(), 0U);
  std::stable_sort(by_choice.begin(), by_choice.end(),
                   [&](std::size_t a, std::size_t b) { return rounds[a].size() < rounds[b].size(); });
  std::vector<std::uint64_t> loads(order.rounds(), 0);
  for (const std::size_t pair : by_choice) {
    const std::vector<std::uint64_t> shares = spread(counts[pair], rounds[pair], loads);
    pairs_[pair].first = static_cast<std::uint32_t>(choices_.size());
    double before = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      before += static_cast<double>(shares[i]);
      const double bound = counts[pair] == 0 ? 0 : before / static_cast<double>(counts[pair]) * 0xFFFFFFFFU;
      if (shares[i] > 0 || counts[pair] == 0) choices_.push_back({rounds[pair][i], static_cast<std::uint32_t>(bound)});
    }
    pairs_[pair].end = static_cast<std::uint32_t>(choices_.size());
  }
}

}  // namespace tessera::train
