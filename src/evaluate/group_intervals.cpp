// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/group_intervals.hpp"

#include "evaluate/detail/triple_resamples.hpp"

#include <cmath>
#include <utility>

namespace tessera::evaluate {

std::vector<GroupMean> group_means(const GroupedValues& values, BootstrapOptions options, std::size_t threads) {
  std::vector<std::vector<detail::TripleSum>> triples(values.group_count);
  std::vector<GroupMean> means(values.group_count);
  for (std::size_t i = 0; i < values.queries.size(); ++i) {
    const std::uint32_t group = values.groups[i];
    if (group == kNoGroup) continue;
    detail::add_query(triples.at(group), values.queries[i], values.values[i], options.seed);
    means[group].queries += 1;
    means[group].mean += values.values[i];
  }
  for (std::size_t group = 0; group < means.size(); ++group) {
    if (means[group].queries == 0) continue;
    means[group].mean /= static_cast<double>(means[group].queries);
    std::vector<double> resamples = detail::resampled(triples[group], options.resamples, threads);
    std::erase_if(resamples, [](double mean) { return std::isnan(mean); });  // no triple of the group was drawn
    means[group].interval = interval_of(std::move(resamples));
  }
  return means;
}

}  // namespace tessera::evaluate
