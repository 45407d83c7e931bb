// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "exchange/rows/row_requests.hpp"
#include "graph/part_file.hpp"
#include "graph/partition_manifest.hpp"
#include "memory/pool.hpp"
#include "sampling/dropout.hpp"
#include "sampling/item_order.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace tessera::sampling {

/// Which entities the negatives of a part are.
enum class Scope {
  kGlobal,  ///< drawn from all
  kPart,    ///< drawn from its own
  kAll,     ///< all, each once
};
Scope find_scope(const std::string& name);

/// The batch of one part in a step when rows are moved. Occurrences of entity rows are numbered: sources 0 .. n-1,
/// targets n .. 2n-1, negatives 2n .. 2n+K-1.
class RowBatch {
 public:
  /// The most that one part has in a step.
  struct Sizes {
    std::uint64_t queries = 0;
    std::uint64_t negatives = 0;
    bool has_weights = false;  ///< as its ItemOrder
  };
  RowBatch(const graph::PartitionManifest& manifest, PartId part, const Sizes& sizes, memory::Pool& pool);

  struct Draw {
    std::uint64_t seed;
    std::uint32_t epoch;
    std::uint64_t step;
    std::uint64_t first_query;  ///< positions in the epoch's permutation of the part's queries
    std::uint64_t end_query;
    Scope scope;
  };
  /// Fills the batch: queries by the epoch's permutation, negatives that are drawn uniformly by counter. Same draw,
  /// same batch.
  void draw(const graph::Part& part, ItemOrder& queries, const Draw& draw);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const OrderPosition& position() const { return position_; }
  [[nodiscard]] std::size_t negatives() const { return negatives_; }
  /// ItemOrder::weight() of each query; empty where queries have none.
  [[nodiscard]] std::span<const float> weights() const {
    return weights_.span().first(weights_.size() > 0 ? size_ : 0);
  }
  [[nodiscard]] std::span<const std::uint32_t> relations() const { return relations_.span().first(size_); }
  /// Global ids of the targets and of the negatives.
  [[nodiscard]] std::span<const std::uint64_t> target_entities() const { return entities(size_, size_); }
  [[nodiscard]] std::span<const std::uint64_t> negative_entities() const { return entities(2 * size_, negatives_); }
  [[nodiscard]] exchange::RowRequests& rows() { return rows_; }
  [[nodiscard]] const exchange::RowRequests& rows() const { return rows_; }
  /// Rows in the part's table with its halo.
  [[nodiscard]] std::span<const std::uint32_t> source_rows() const { return rows_.table_rows().first(size_); }
  [[nodiscard]] std::span<const std::uint32_t> target_rows() const { return rows_.table_rows().subspan(size_, size_); }
  [[nodiscard]] std::span<const std::uint32_t> negative_rows() const { return rows_.table_rows().subspan(2 * size_); }
  /// The queries of each relation.
  [[nodiscard]] const exchange::Groups& by_relation() const { return by_relation_; }

 private:
  [[nodiscard]] std::span<const std::uint64_t> entities(std::size_t first, std::size_t count) const {
    return std::span<const std::uint64_t>(occurrences_.span()).subspan(first, count);
  }
  PartId part_;
  std::uint64_t entity_count_;
  std::uint64_t first_entity_;
  std::uint64_t directed_relations_;
  std::size_t size_ = 0;
  OrderPosition position_;
  std::size_t negatives_;
  memory::Buffer<std::uint64_t> occurrences_;
  memory::Buffer<std::uint32_t> relations_;
  memory::Buffer<float> weights_;
  exchange::Groups by_relation_;
  exchange::RowRequests rows_;
};

}  // namespace tessera::sampling
