// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/levels.hpp"

#include "search/setup.hpp"

#include <algorithm>

namespace tessera::propagation {

Levels::Levels(std::size_t nodes, std::size_t most, memory::Pool& pool)
    : levels_(pool.allocate<std::uint8_t>(memory::Tag::kEvaluation, nodes)),
      order_(pool.allocate<std::uint32_t>(memory::Tag::kEvaluation, nodes)),
      ends_(most + 1) {}

std::uint64_t Levels::bytes(std::size_t nodes) {
  return search::host_bytes<std::uint8_t>(nodes) + search::host_bytes<std::uint32_t>(nodes);
}

void Levels::reach(const kernels::EdgeLists& edges, std::span<const std::uint32_t> from, std::size_t most) {
  const auto levels = levels_.span();
  const auto order = order_.span();
  std::fill(levels.begin(), levels.end(), kUnreached);
  std::copy(from.begin(), from.end(), order.begin());
  for (const std::uint32_t node : from) levels[node] = 0;
  std::size_t done = 0;
  std::size_t found = from.size();
  ends_[0] = found;
  for (std::size_t level = 1; level <= most; ++level) {
    const std::size_t end = found;
    for (; done < end; ++done) {
      const kernels::EdgeLists::Node* const node = &edges.nodes[order[done]];
      for (std::uint64_t e = node[0].first_edge; e < node[1].first_edge; ++e) {
        const std::uint32_t next = edges.sources[e];
        if (levels[next] != kUnreached) continue;
        levels[next] = static_cast<std::uint8_t>(level);
        order[found++] = next;
      }
    }
    ends_[level] = found;
    std::sort(order.begin() + static_cast<std::ptrdiff_t>(end), order.begin() + static_cast<std::ptrdiff_t>(found));
  }
}

}  // namespace tessera::propagation
