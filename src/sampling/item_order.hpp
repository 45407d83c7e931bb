// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "core/random.hpp"
#include "graph/part_file.hpp"
#include "memory/pool.hpp"
#include "packing/query_chunk.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace tessera::sampling {

/// The training items of one part in the random order of an epoch, unpacked some chunks at a time: the chunks are
/// visited in random order, up to 256 of them are unpacked together, and their items are shuffled (as CorgiPile does,
/// Xu et al., SIGMOD 2022). A part of at most 256 chunks, or with no more queries than these can have, is shuffled as a
/// whole, and stays unpacked. The order is a function of (seed, epoch, part): ranks, threads and the place of the
/// chunks do not change it.
class ItemOrder {
 public:
  static constexpr std::uint64_t kGroupChunks = 256;

  /// How many items and of what kind.
  struct Sizes {
    std::uint64_t queries = 0;       ///< of the part
    std::uint64_t most_answers = 0;  ///< of an item; 0: items are single queries
    std::uint64_t largest = 1;       ///< most queries of one item
  };
  /// `part` outlives this.
  ItemOrder(const graph::Part& part, const Sizes& sizes, memory::Pool& pool);

  /// Makes the items from position `first` of the epoch on readable, and returns where they end: after 16,384 items or
  /// at the end of the group of chunks. Positions of an epoch are asked for in ascending order.
  std::uint64_t seek(std::uint64_t seed, std::uint32_t epoch, std::uint64_t first);

  /// A range of unpacked queries: those of one item.
  struct Item {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };
  /// The item at a position that seek() made readable.
  [[nodiscard]] Item item(std::uint64_t position) const {
    const std::uint32_t i = order_[position - block_begin_];
    if (first_.size() == 0) return {i, 1};
    return {first_[i], first_[i + 1] - first_[i]};
  }
  [[nodiscard]] std::uint32_t source(std::uint32_t query) const { return rows_[query].source; }
  [[nodiscard]] std::uint32_t relation(std::uint32_t query) const { return rows_[query].relation; }
  /// Whether the training queries of the part have weights.
  [[nodiscard]] bool has_weights() const { return queries_.has_weights(); }
  /// The weight divided by the mean of the graph; of a part with weights.
  [[nodiscard]] float weight(std::uint32_t query) const { return weights_[query]; }
  /// Global id of the target.
  [[nodiscard]] std::uint64_t target(std::uint32_t query) const { return rows_[query].target; }

 private:
  /// An unpacked query.
  struct Row {
    std::uint32_t source;
    std::uint32_t relation;
    std::uint32_t target;  // global id: a graph has at most 2^32 entities
  };
  void begin_epoch(std::uint64_t seed, std::uint32_t epoch);
  void load_group();
  void begin_order();
  void fill_block(std::uint64_t first);
  void choose_chunks();
  void unpack(std::size_t chunk, std::uint32_t relation);
  [[nodiscard]] std::uint32_t relation_from(std::uint32_t relation, std::size_t chunk) const;
  void find_items();
  [[nodiscard]] bool is_small() const { return queries_.chunk_count() <= kGroupChunks; }
  [[nodiscard]] bool is_whole() const { return group_size_ >= queries_.chunk_count(); }

  const graph::QuerySet& queries_;
  std::uint32_t part_;
  std::uint64_t most_answers_;
  bool spans_chunks_;

  std::uint64_t seed_ = 0;
  std::optional<std::uint32_t> epoch_;
  std::uint64_t group_ = 0;        // number of the next group of the epoch
  std::uint64_t group_begin_ = 0;  // positions of the items that are unpacked
  std::uint64_t group_end_ = 0;
  std::uint64_t block_begin_ = 0;  // positions of the items that order_ has
  std::uint64_t block_end_ = 0;
  std::variant<std::monostate, Permutation, GridPermutation> shuffled_;  // the items of the group

  std::uint64_t group_size_;                 // chunks of a group; the last one has less
  std::vector<std::uint32_t> group_chunks_;  // of the group
  std::size_t size_ = 0;                     // queries that are unpacked
  std::uint64_t items_ = 0;
  memory::Buffer<Row> rows_;
  memory::Buffer<float> weights_;           // of rows_, if queries have weights
  memory::Buffer<std::uint32_t> order_;     // item at each position of the block
  memory::Buffer<std::uint32_t> tables_;    // of shuffled_
  memory::Buffer<std::uint32_t> entities_;  // global ids of all targets of the part, if they are few
  memory::Buffer<std::uint32_t> first_;     // query of each item, and the end; none for single queries
  struct Scratch {
    packing::ChunkReader reader;
    std::array<std::uint64_t, packing::kChunkQueries> ids;
  };
  std::unique_ptr<Scratch> scratch_ = std::make_unique<Scratch>();
};

}  // namespace tessera::sampling
