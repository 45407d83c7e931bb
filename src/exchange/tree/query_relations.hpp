// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// Tells every rank the relation of each query of a step, parts in order: the lists of RelationSum follow from them.
class QueryRelations {
 public:
  /// No step has failed.
  static constexpr std::uint64_t kNone = UINT64_MAX;

  /// `queries`: most of each part in a step.
  QueryRelations(comm::Communicator& comm, const graph::Shard& shard, const std::vector<std::uint64_t>& queries,
                 memory::Pool& pool);

  /// Collective. `own` [owned parts]: relations of their queries; `counts` [parts]: how many queries each has, which
  /// all ranks know. `failed`: the first step that this rank knows to have failed, or kNone; returns the first that any
  /// rank knows. One all-gather: 4 bytes per query, 8 per rank.
  std::uint64_t gather(std::span<const std::span<const std::uint32_t>> own, std::span<const std::uint64_t> counts,
                       std::uint64_t failed);

  [[nodiscard]] std::span<const std::uint32_t> relations() const { return relations_.span().first(begin_.back()); }
  /// Where the queries of each part begin, and the end.
  [[nodiscard]] std::span<const std::uint64_t> query_begin() const { return begin_; }

 private:
  static constexpr std::size_t kHeaderWords = 2;  // words of a rank before its relations: the step that failed

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  std::vector<std::uint64_t> begin_;
  std::vector<std::uint64_t> bytes_;  // by rank, of the collective
  memory::Buffer<std::uint32_t> sent_;
  memory::Buffer<std::uint32_t> received_;
  memory::Buffer<std::uint32_t> relations_;
};

}  // namespace tessera::exchange
