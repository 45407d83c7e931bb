// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/training_graph.hpp"

#include <cstdint>
#include <vector>

namespace tessera::partition {

/// The directed relations, the most frequent in training first; on a tie the smaller id.
std::vector<RelationId> relations_by_frequency(const TrainingSummary& summary);

/// [N] the rank of each entity's signature among all signatures. A signature is the set of directed relations that the
/// entity is the source of in training. Order: the most frequent relation decides first, those that have it go before
/// those that have not; then the next. O(N) memory, and each training triple is read twice, by relation.
std::vector<std::uint32_t> signature_ranks(const graph::GraphReader& reader, const TrainingSummary& summary);

}  // namespace tessera::partition
