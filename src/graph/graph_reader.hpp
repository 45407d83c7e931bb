// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/graph_writer.hpp"
#include "graph/split.hpp"
#include "storage/hdf5.hpp"
#include "storage/string_blocks.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::graph {

/// Reads a folder DATA.kg. Everything is checked: a damaged or foreign file is an Error(kBadData). Files of
/// version 1, whose triples are not packed, are read, too.
class GraphReader {
 public:
  /// Throws Error(kMissingInput) when the folder or its graph.h5 is not there.
  explicit GraphReader(const std::filesystem::path& folder);

  [[nodiscard]] std::uint64_t entity_count() const { return entity_count_; }
  [[nodiscard]] std::uint64_t relation_count() const { return relation_count_; }
  [[nodiscard]] std::uint64_t triple_count(Split split) const {
    return triple_counts_.at(static_cast<std::size_t>(split));
  }
  /// The checksum of graph.h5: partitions and runs remember which graph they belong to.
  [[nodiscard]] const std::string& digest() const { return digest_; }

  /// Of the training triples; none where the graph has no weights.
  [[nodiscard]] const std::optional<WeightRange>& weight_range() const { return weight_range_; }
  /// The weights of the training triples, in their order; of a graph with weights.
  [[nodiscard]] TripleWeights weights() const { return packed_.front()->weights(file_); }

  /// The names stay in the file.
  [[nodiscard]] storage::StringBlocks entity_names() const;
  [[nodiscard]] storage::StringBlocks relation_names() const;
  /// Calls `consume` with consecutive blocks of a split; ids are checked against the counts.
  void for_each_block(Split split, const std::function<void(std::span<const Triple>)>& consume) const;
  /// The same for the triples of one relation: the `first` to `first` + `count` - 1 of the split.
  void for_each_block_of(Split split, RelationId relation, std::uint64_t first, std::uint64_t count,
                         const std::function<void(std::span<const Triple>)>& consume) const;
  [[nodiscard]] const storage::FileReader& file() const { return file_; }

 private:
  [[nodiscard]] storage::StringBlocks names(const std::string& group, std::uint64_t count) const;
  [[nodiscard]] std::uint64_t plain_length(Split split) const;
  void for_each_plain_block(Split split, std::uint64_t first, std::uint64_t count,
                            const std::function<void(std::span<const Triple>)>& consume) const;
  storage::FileReader file_;
  bool is_packed_;  // version 1 is not
  std::uint64_t entity_count_;
  std::uint64_t relation_count_;
  std::array<std::uint64_t, 3> triple_counts_{};
  std::array<std::optional<PackedTriples>, 3> packed_;  // by split; none of version 1
  std::optional<WeightRange> weight_range_;
  std::string digest_;
};

}  // namespace tessera::graph
