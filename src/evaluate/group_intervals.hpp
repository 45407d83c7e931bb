// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/comparison.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace tessera::evaluate {

/// A value of each query, 1 / rank or a difference of two, and the group that it belongs to.
struct GroupedValues {
  std::span<const StoredQuery> queries;  ///< ascending
  std::span<const double> values;
  std::span<const std::uint32_t> groups;  ///< below `group_count`, or kNoGroup
  std::size_t group_count = 0;
};
inline constexpr std::uint32_t kNoGroup = std::numeric_limits<std::uint32_t>::max();

/// The mean of the values of a group, and its interval.
struct GroupMean {
  std::uint64_t queries = 0;
  double mean = 0;
  Interval interval;
};

/// The Poisson bootstrap over triples, as compare() does it, within each group; resamples without a
/// triple of the group count for nothing. Deterministic: threads change no bit.
std::vector<GroupMean> group_means(const GroupedValues& values, BootstrapOptions options, std::size_t threads);

}  // namespace tessera::evaluate
