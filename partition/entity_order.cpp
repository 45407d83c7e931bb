// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/entity_order.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace tessera::partition {

EntityOrder order_entities(const Assignment& assignment, std::span<const std::uint32_t> signature_ranks,
                           std::span<const std::uint32_t> degree, std::uint64_t parts) {
  EntityOrder order;
  order.old_ids.resize(assignment.size());
  std::iota(order.old_ids.begin(), order.old_ids.end(), std::uint64_t{0});
  std::sort(order.old_ids.begin(), order.old_ids.end(), [&](std::uint64_t a, std::uint64_t b) {
    return std::tie(assignment[a], signature_ranks[a], degree[b], a) <
           std::tie(assignment[b], signature_ranks[b], degree[a], b);
  });
  order.new_ids.resize(assignment.size());
  order.offsets.assign(parts + 1, 0);
  for (std::size_t i = 0; i < order.old_ids.size(); ++i) {
    order.new_ids[order.old_ids[i]] = i;
    ++order.offsets[assignment[order.old_ids[i]].index() + 1];
  }
  std::partial_sum(order.offsets.begin(), order.offsets.end(), order.offsets.begin());
  return order;
}

}  // namespace tessera::partition
