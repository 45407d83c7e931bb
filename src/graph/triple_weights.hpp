// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "packing/bits.hpp"
#include "storage/hdf5.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::graph {

/// Weights of training triples, packed. Layout: docs/formats/packed_queries.md.
struct PackedWeights {
  std::vector<float> values;          ///< distinct weights, ascending; empty: the indices are the bits of the weights
  unsigned width = 0;                 ///< bits of an index
  std::vector<std::uint8_t> indices;  ///< with kPadding bytes behind them

  static PackedWeights encode(std::span<const float> weights);
};

/// A view of packed weights, which lie in memory or, but for their values, in a file.
class WeightsView {
 public:
  WeightsView() = default;
  WeightsView(std::span<const float> values, unsigned width, std::span<const std::uint8_t> indices)
      : values_(values), width_(width), indices_(indices) {}
  WeightsView(std::span<const float> values, unsigned width, const storage::DatasetBytes& stored)
      : values_(values), width_(width), stored_(&stored) {}

  /// out[i] = weight first + i.
  void read(std::uint64_t first, std::span<float> out) const;
  /// Whether these are `count` weights, each finite and not negative.
  [[nodiscard]] bool are_sound(std::uint64_t count) const;

 private:
  /// Unpacks one weight. An index without a value gives NaN.
  [[nodiscard]] float unpack(const std::uint8_t* bytes, std::uint64_t bit) const;

  std::span<const float> values_;
  unsigned width_ = 0;
  std::span<const std::uint8_t> indices_;  // kPadding bytes behind them are readable
  const storage::DatasetBytes* stored_ = nullptr;
};

/// What the training triples of a graph weigh.
struct WeightRange {
  double least = 0;
  double mean = 0;
  double most = 0;
};

inline constexpr const char* kWeightValues = "/weights/values";
inline constexpr const char* kWeightIndices = "/weights/indices";
inline constexpr const char* kWeights = "/weights";  ///< its attribute `width` has the bits of an index

/// Writes `weights` to the group `group`/weights.
void write_weights(storage::FileWriter& file, const std::string& group, std::span<const float> weights);

/// The weights of the training triples in graph.h5, from front to back. A segment of them is in memory.
class TripleWeights {
 public:
  /// `group` has `segments` groups of packed triples, with their weights. `file` outlives this.
  TripleWeights(const storage::FileReader& file, std::string group, std::uint64_t segments)
      : file_(file), group_(std::move(group)), segments_(segments) {}
  /// Throws Error(kBadData) when there is none, or when they are damaged.
  float next() {
    while (used_ == count_) load();
    float weight = 0;
    view_.read(used_++, std::span(&weight, 1));
    return weight;
  }

 private:
  void load();

  const storage::FileReader& file_;
  std::string group_;
  std::uint64_t segments_;
  std::uint64_t segment_ = 0;  // the next one
  std::uint64_t count_ = 0;    // weights of the segment in memory
  std::uint64_t used_ = 0;
  PackedWeights weights_;
  WeightsView view_;
};

}  // namespace tessera::graph
