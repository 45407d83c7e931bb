// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"
#include "train/rounds/round_order.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

namespace tessera::train {

/// Makes the graph of each round: its parts are the slots, its entities are those of the parts in memory, and its
/// training queries are those of the epoch that fall into the round. Training on it is training as ever.
class RoundGraphs {
 public:
  struct Setup {
    comm::Communicator& comm;
    const graph::Shard& shard;     ///< of the whole graph
    std::filesystem::path folder;  ///< of its partition
    std::uint32_t resident;        ///< parts in memory, of all ranks
    std::uint64_t seed;
    std::size_t threads;
    memory::Pool& pool;
  };
  /// Collective. Counts the queries between every two parts: reads all queries once. All of `setup` outlives this.
  explicit RoundGraphs(const Setup& setup);

  /// Orders the rounds of an epoch.
  void begin_epoch(std::uint32_t epoch);
  [[nodiscard]] const RoundOrder& order() const { return *order_; }
  /// Which rank has which slots; the same in all rounds.
  [[nodiscard]] const graph::Placement& placement() const { return placement_; }
  /// Collective. The graph of a round. Reads the queries of the parts in memory from their files: milliseconds for each
  /// million.
  [[nodiscard]] graph::Shard make(std::size_t round);

 private:
  void load_parts(std::size_t round);
  [[nodiscard]] graph::PartitionManifest manifest_of(std::size_t round) const;

  Setup setup_;
  graph::Placement placement_;
  std::vector<std::uint64_t> counts_;  // [parts, parts]
  std::uint32_t epoch_ = 0;
  std::optional<RoundOrder> order_;
  std::optional<QueryRounds> rounds_;
  std::map<PartId, graph::Part> parts_;  // those in the slots of this rank
};

}  // namespace tessera::train
