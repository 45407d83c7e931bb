// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/job.hpp"
#include "graph/shard.hpp"

#include <cstdint>
#include <vector>

namespace tessera::sampling {

/// An epoch visits every item once. An item is a training query, or a distinct (source, relation) with its known
/// targets, which costs one query vector instead of one per target.
struct ItemCount {
  std::uint64_t items = 0;    ///< of one part, as every rank knows them
  std::uint64_t largest = 1;  ///< most queries of one item
};

/// Most targets that an item of this job has; 0: items are single queries. A softmax is the same when the answers of a
/// query are cut into several items, and a step's memory stays bounded; the binary loss needs all at once.
std::uint64_t most_answers(const Job& job);

/// Whether items of at most `most_answers` may go from one chunk of packed queries to the next.
bool items_span_chunks(std::uint64_t most_answers);

/// Collective. The items of every part of the graph.
std::vector<ItemCount> count_items(comm::Communicator& comm, const graph::Shard& shard, const Job& job);

}  // namespace tessera::sampling
