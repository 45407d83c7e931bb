// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/partition_manifest.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace tessera::partition {

/// The options of `tessera partition`.
struct PartitionOptions {
  std::filesystem::path graph;  ///< the folder DATA.kg
  std::uint64_t parts = 8;
  std::string method = "auto";  ///< "metis", "stream", "random"; or "auto": METIS if it fits the memory, else stream
  std::string memory;           ///< "4GiB"; empty: what the machine has
  std::uint64_t seed = 1;
  double imbalance = 1.03;        ///< aimed at: largest over mean of rows, and of training queries; at least 1
  bool compare_random = true;     ///< also measure a random partition of the same graph
  std::uint64_t block_bytes = 0;  ///< memory for edges or queries that are handled together; 0: by the memory
  std::size_t threads = 1;        ///< they change no bit
};

/// Partitions a graph and writes DATA.kg/parts-P, which appears whole or not at all. The same graph, options and METIS
/// give the same datasets. Logs the method and cut, balance and halo. When METIS fails, a warning says why and "stream"
/// takes its place. Throws Error: kUsage (options; more parts than entities; folder exists), kMissingInput, kBadData
/// (damaged graph), kOverBudget (the method does not fit the memory), kIo.
graph::PartitionManifest partition_graph(const PartitionOptions& options);

}  // namespace tessera::partition
