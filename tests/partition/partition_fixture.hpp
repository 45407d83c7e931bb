// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/log.hpp"
#include "graph/partition_manifest.hpp"
#include "partition/partition.hpp"
#include "support/graph_fixture.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tessera::test {

/// A graph on disk, not partitioned yet.
class GraphOnDisk {
 public:
  explicit GraphOnDisk(TestGraph graph);
  [[nodiscard]] const TestGraph& graph() const { return graph_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] partition::PartitionOptions options(const std::string& method, std::uint64_t parts) const;
  /// Names in the folder, sorted.
  [[nodiscard]] std::vector<std::string> files() const;

 private:
  TemporaryFolder temporary_;
  std::filesystem::path folder_;
  TestGraph graph_;
};

/// `triples` as the training split, in file order, without duplicates.
TestGraph training_only(std::uint64_t entities, std::uint64_t relations, std::vector<Triple> triples);

/// Communities of equal size in which entities mostly link to their own; ids do not tell the community. `stray` of 100
/// triples go anywhere.
TestGraph planted_communities(std::uint64_t communities, std::uint64_t size, std::uint64_t triples,
                              std::uint64_t stray);

/// Collects the log while it lives.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  /// All messages of a level, one per line.
  [[nodiscard]] std::string text(log::Level level) const;

 private:
  std::map<log::Level, std::string> text_;
};

/// Part of each entity of graph.h5, from the manifest alone.
std::vector<std::uint32_t> parts_of(const graph::PartitionManifest& manifest);

/// Cut fraction of training queries, counted triple by triple.
double counted_cut(const TestGraph& graph, const std::vector<std::uint32_t>& part_of);

}  // namespace tessera::test
