// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/table.hpp"
#include "graph/graph_reader.hpp"
#include "graph/partition_manifest.hpp"

#include <cstdint>
#include <vector>

namespace tessera::partition {

/// The attributes of a graph, by part: packed columns in which local rows stand for entities. Every part has all
/// attributes, those of which no entity of it has a value, too.
class PartAttributes {
 public:
  /// Unpacks one column after the other. Throws Error(kBadData).
  PartAttributes(const graph::GraphReader& reader, const graph::PartitionManifest& manifest);

  /// Of all columns of all parts.
  [[nodiscard]] std::uint64_t bytes() const;
  /// Writes the group /attributes of a part, if the graph has attributes.
  void write(PartId part, storage::FileWriter& file) const;

 private:
  void split(const attributes::Table& table, std::size_t attribute, const graph::PartitionManifest& manifest);

  std::uint64_t datatype_count_ = 0;
  std::vector<std::uint64_t> rows_;             // of each part
  std::vector<attributes::TableWriter> parts_;  // none when the graph has no attributes
};

}  // namespace tessera::partition
