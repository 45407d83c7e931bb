// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/partition_manifest.hpp"
#include "graph/shard.hpp"
#include "graph/split.hpp"
#include "memory/pool.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::test {

/// A folder under the system's temporary one, removed with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A graph in ids as imported. Entity i is named "e000i", relation r "r00r".
struct TestGraph {
  std::uint64_t entities = 0;
  std::uint64_t relations = 0;
  std::array<std::vector<Triple>, 3> splits;  ///< by graph::Split; each sorted by (relation, head, tail) and distinct
  std::vector<float> weights = {};            ///< of the training triples; empty: none have any
  [[nodiscard]] const std::vector<Triple>& split(graph::Split which) const {
    return splits.at(static_cast<std::size_t>(which));
  }
  std::vector<Triple>& split(graph::Split which) { return splits.at(static_cast<std::size_t>(which)); }
};

std::string entity_name(std::uint64_t id);
std::string relation_name(std::uint64_t id);

struct GraphSpec {
  std::uint64_t entities = 60;
  std::uint64_t relations = 4;
  std::uint64_t train = 300;
  std::uint64_t valid = 40;
  std::uint64_t test = 40;
  std::uint64_t hubs =
      3;  ///< entities 0 .. hubs-1 are in a third of all triples, so that some queries have many answers
  std::uint64_t unseen = 2;  ///< the last entities, which no training triple uses
  std::uint64_t seed = 1;
};

/// Gives the training triples weights of 0, 1/2, 1, ..., 2.
void add_weights(TestGraph& graph);
double mean_weight(const TestGraph& graph);

/// Distinct random triples; no triple is in two splits.
TestGraph random_graph(const GraphSpec& spec);

/// `graph` on disk, partitioned at random into parts of unequal size: DATA.kg and DATA.kg/parts-P as the programs write
/// them.
class StoredGraph {
 public:
  StoredGraph(TestGraph graph, std::uint32_t parts, std::uint64_t seed = 1);

  [[nodiscard]] const TestGraph& graph() const { return graph_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }                 ///< DATA.kg
  [[nodiscard]] std::filesystem::path partition_folder() const;                                 ///< DATA.kg/parts-P
  [[nodiscard]] std::filesystem::path run_folder() const { return temporary_.path() / "run"; }  ///< made, empty
  [[nodiscard]] const graph::PartitionManifest& manifest() const { return manifest_; }          ///< with new_ids
  [[nodiscard]] EntityId global_id(std::uint64_t original) const { return EntityId(manifest_.new_ids.at(original)); }
  [[nodiscard]] std::uint64_t original_id(EntityId global) const { return original_ids_.at(global.index()); }
  /// Writes the files again with one id changed, and vouches for them.
  void set_original_id(EntityId global, std::uint64_t id);
  void set_new_id(std::uint64_t original, std::uint64_t id) const;
  [[nodiscard]] graph::Shard load(Rank rank, std::int32_t ranks, memory::Pool& pool) const;
  [[nodiscard]] graph::Shard load(Rank rank, const graph::Placement& placement, memory::Pool& pool) const {
    return graph::load_shard(partition_folder(), rank, placement, pool);
  }

 private:
  void write_parts();
  TemporaryFolder temporary_;
  std::filesystem::path folder_;
  TestGraph graph_;
  graph::PartitionManifest manifest_;
  std::vector<std::uint64_t> original_ids_;
};

}  // namespace tessera::test
