// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/triple_weights.hpp"
#include "storage/hdf5.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tessera::graph {

inline constexpr std::uint64_t kMostEntities = std::uint64_t{1} << 32U;  ///< of a graph; their ids are packed

/// Packs the triples of a split into segments of a file, as they come: at most a segment of them is in memory. Triples
/// are distinct and ordered by (relation, head, tail), else Error(kInternal); entity ids are below 2^32. Layout:
/// docs/formats/graph.md.
class PackedTriplesWriter {
 public:
  static constexpr std::uint64_t kSegmentTriples = std::uint64_t{1} << 22U;

  /// `file` outlives this. Chunks are packed on some threads, which change no bit.
  PackedTriplesWriter(storage::FileWriter& file, std::string group, std::size_t threads = 1)
      : file_(file), group_(std::move(group)), threads_(threads) {}
  /// `weights` of the triples, or none of any triple.
  void append(std::span<const Triple> triples, std::span<const float> weights = {});
  /// Writes the last segment.
  void finish();
  /// Triples so far.
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  void begin_chunk();
  void add_weight(float weight);
  void pack_chunks();
  void end_segment();

  storage::FileWriter& file_;
  std::string group_;
  std::size_t threads_;
  std::uint64_t size_ = 0;
  std::uint64_t segments_ = 0;
  Triple last_;
  std::vector<std::uint32_t> heads_;  // of the segment
  std::vector<std::uint32_t> tails_;
  std::vector<std::size_t> chunk_starts_;
  std::vector<std::uint32_t> relations_;  // columns of the segment, by chunk
  std::vector<std::uint32_t> first_heads_;
  std::vector<std::uint32_t> offsets_{0};
  std::vector<std::uint8_t> bytes_;
  std::vector<float> weights_;
  WeightRange weight_range_;
  double weight_sum_ = 0;
};

/// What a graph file may hold.
struct TripleBounds {
  std::uint64_t entities = 0;
  std::uint64_t relations = 0;
};

/// The packed triples of a split in a file. Keeps the relation of every chunk, 4 bytes for 1,024 triples.
class PackedTriples {
 public:
  using Consume = std::function<void(std::span<const Triple>)>;
  /// Throws Error(kBadData) when the columns of a segment do not fit each other, or when the split says that it has
  /// more triples than its chunks can hold.
  PackedTriples(const storage::FileReader& file, std::string group, const TripleBounds& bounds);
  /// Triples of the split, as it says.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// The weights of the triples, of a split that has them.
  [[nodiscard]] TripleWeights weights(const storage::FileReader& file) const {
    return {file, group_, relations_.size()};
  }

  /// Calls `consume` with the triples of every chunk, in order; `file` is that of the constructor. Throws
  /// Error(kBadData) when chunks are damaged or out of order.
  void for_each_chunk(const storage::FileReader& file, const Consume& consume) const;
  /// The same for the chunks of one relation. Reads no others.
  void for_each_chunk_of(RelationId relation, const storage::FileReader& file, const Consume& consume) const;

 private:
  [[nodiscard]] std::string segment(std::size_t number) const;

  std::string group_;
  TripleBounds bounds_;
  std::uint64_t size_;
  std::vector<std::vector<std::uint32_t>> relations_;  // of each chunk, by segment
};

}  // namespace tessera::graph
