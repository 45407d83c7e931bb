// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/assignment.hpp"
#include "partition/memory_limit.hpp"
#include "partition/metis.hpp"
#include "partition/partition.hpp"

#include <string>

namespace tessera::partition::detail {

/// A part for each entity, and the method that found it in the end.
struct Chosen {
  Assignment assignment;
  std::string method;
};

/// What is to be partitioned, how, and in which memory.
struct Problem {
  const graph::GraphReader& reader;
  const TrainingSummary& summary;
  const PartitionOptions& options;
  const MemoryLimit& memory;
};

/// Asks the method of the options, which must fit the memory. `metis` is what the child process runs; tests put
/// failures in its place.
Chosen choose_parts(const Problem& problem, const MetisBody& metis);

/// partition_graph with another METIS.
graph::PartitionManifest partition_graph(const PartitionOptions& options, const MetisBody& metis);

}  // namespace tessera::partition::detail
