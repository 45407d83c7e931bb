// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/graph_reader.hpp"
#include "graph/partition_manifest.hpp"
#include "partition/assignment.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::partition {

/// How an assignment is measured.
struct MeasureSettings {
  std::uint64_t block_bytes;
  std::string title;  ///< of the progress line; empty: none
};

/// [P] rows, training queries, cut and halo of an assignment. One scan of the training triples per group of parts whose
/// halo marks (N / 8 bytes per part) fit the block.
std::vector<graph::PartFigures> measure(const graph::GraphReader& reader, const Assignment& assignment,
                                        std::uint64_t parts, const MeasureSettings& settings);

/// Logs the figures of a partition, beside those of the random one where there is one.
void log_figures(const graph::PartitionManifest& manifest);

}  // namespace tessera::partition
