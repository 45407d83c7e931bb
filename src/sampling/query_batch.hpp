// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "exchange/queries/target_exchange.hpp"
#include "graph/part_file.hpp"
#include "graph/partition_manifest.hpp"
#include "memory/pool.hpp"
#include "sampling/dropout.hpp"
#include "sampling/item_order.hpp"

#include <cstdint>
#include <span>

namespace tessera::sampling {

/// The most that one part has in a step.
struct BatchSizes {
  std::uint64_t queries = 0;
  std::uint64_t targets = 0;
  std::uint64_t candidates = 0;  ///< sampled ones; 0: all rows are candidates
  bool has_weights = false;      ///< as the ItemOrder of the part
};

/// What one part brings to a step when queries are moved: query vectors to make, their targets wherever these live, and
/// the candidates that it samples from its own rows.
class QueryBatch {
 public:
  QueryBatch(const graph::PartitionManifest& manifest, PartId part, const BatchSizes& sizes, memory::Pool& pool);

  struct Draw {
    std::uint64_t seed;
    std::uint32_t epoch;
    std::uint64_t step;
    std::uint64_t first_item;  ///< positions in the epoch's permutation of the part's items
    std::uint64_t end_item;
    std::size_t threads = 1;
  };
  /// Items by the epoch's permutation, candidates uniformly by counter. Same draw, same batch.
  void draw(const graph::Part& part, ItemOrder& items, const Draw& draw);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::uint64_t directed_relations() const { return directed_relations_; }
  [[nodiscard]] const OrderPosition& position() const { return position_; }
  [[nodiscard]] std::span<const std::uint32_t> sources() const { return sources_.span().first(size_); }
  [[nodiscard]] std::span<const std::uint32_t> relations() const { return relations_.span().first(size_); }
  /// Targets of each query.
  [[nodiscard]] std::span<const std::uint32_t> answers() const { return answers_.span().first(size_); }
  /// Sums of the weights of these targets; empty where triples have no weights.
  [[nodiscard]] std::span<const float> weights() const {
    return weights_.span().first(weights_.size() > 0 ? size_ : 0);
  }
  [[nodiscard]] std::span<const exchange::QueryTarget> targets() const { return targets_.span().first(target_count_); }
  [[nodiscard]] std::span<const std::uint32_t> candidates() const { return candidates_.span(); }
  [[nodiscard]] const exchange::Groups& by_source() const { return by_source_; }
  [[nodiscard]] const exchange::Groups& by_relation() const { return by_relation_; }
  [[nodiscard]] const exchange::Groups& by_candidate() const { return by_candidate_; }

 private:
  void draw_queries(ItemOrder& items, const Draw& draw);
  void take_items(const ItemOrder& items, const Draw& draw, std::size_t first, std::size_t end);
  void add_weights(std::size_t query);

  PartId part_;
  std::uint64_t directed_relations_;
  std::size_t size_ = 0;
  OrderPosition position_;
  std::size_t target_count_ = 0;
  memory::Buffer<std::uint32_t> sources_;
  memory::Buffer<std::uint32_t> relations_;
  memory::Buffer<std::uint32_t> answers_;
  memory::Buffer<float> weights_;
  memory::Buffer<std::uint32_t> first_queries_;  // first unpacked query of each item
  memory::Buffer<std::uint32_t> first_targets_;  // first of targets_ of each item
  memory::Buffer<exchange::QueryTarget> targets_;
  memory::Buffer<std::uint32_t> candidates_;
  exchange::Groups by_source_;
  exchange::Groups by_relation_;
  exchange::Groups by_candidate_;
};

}  // namespace tessera::sampling
