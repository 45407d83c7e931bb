// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/job.hpp"
#include "graph/query_set.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <vector>

namespace tessera::sampling {

/// The items of a part. An epoch visits each item once. An item is a training query, or a distinct (source, relation)
/// with its known targets, which costs one query vector instead of one for each target.
class QueryItems {
 public:
  /// Single queries.
  explicit QueryItems(const graph::QuerySet& queries) : count_(queries.size()) {}
  /// `count` grouped ones, as count_items() counts them, each of at most `most_answers`; one offset per group from the
  /// pool.
  QueryItems(const graph::QuerySet& queries, std::uint64_t most_answers, std::uint64_t count, memory::Pool& pool);

  [[nodiscard]] std::uint64_t size() const { return count_; }
  /// Item i is queries first(i) .. first(i + 1) - 1 of the set.
  [[nodiscard]] std::uint64_t first(std::uint64_t i) const { return first_.size() == 0 ? i : first_[i]; }

 private:
  std::uint64_t count_ = 0;
  memory::Buffer<std::uint64_t> first_;
};

/// The items of one part, as every rank knows them.
struct ItemCount {
  std::uint64_t items = 0;
  std::uint64_t largest = 1;  ///< most queries of one item
};

/// The most targets of an item of this job. A softmax is the same when the answers of a query are cut into several
/// items, and a step's memory stays bounded; the binary loss needs all at once.
std::uint64_t most_answers(const Job& job);

/// Collective. Counts the items of every part of the graph.
std::vector<ItemCount> count_items(comm::Communicator& comm, const graph::Shard& shard, const Job& job);

}  // namespace tessera::sampling
