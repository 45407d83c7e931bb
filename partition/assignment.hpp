// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "partition/training_graph.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::partition {

/// [N] the part of each entity of graph.h5.
using Assignment = std::vector<PartId>;

/// Uniformly random; the sizes of parts differ by at most one.
Assignment random_assignment(std::uint64_t entity_count, std::uint64_t parts, std::uint64_t seed);

/// Takes over the parts of the vertices and spreads the loose entities so that rows become even. Every part gets at
/// least one entity; there must be as many entities as parts.
Assignment spread(const TrainingSummary& summary, std::span<const std::uint32_t> part_of_vertex, std::uint64_t parts);

/// The most that a part may hold.
struct LoadLimits {
  double rows = 0;
  double queries = 0;
};

/// `looseness` times what the mean part has of the vertices.
LoadLimits load_limits(const TrainingSummary& summary, std::uint64_t parts, double looseness);

/// Whether all parts keep to load_limits, or exceed the mean by less than one heaviest vertex: no method can promise
/// more.
bool is_balanced(const TrainingSummary& summary, std::span<const std::uint32_t> part_of_vertex, std::uint64_t parts,
                 double looseness);

}  // namespace tessera::partition
