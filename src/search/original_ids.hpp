// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/ids.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <filesystem>
#include <span>

namespace tessera::search {

/// The ids in graph.h5 of the entities that this rank owns: 8 bytes per owned row, no table of all entities anywhere.
class OriginalIds {
 public:
  /// Collective. Reads the chunks of the owned parts again. Throws AgreedError(kBadData), AgreedError(kMissingInput).
  OriginalIds(comm::Communicator& comm, const graph::Shard& shard, const std::filesystem::path& partition_folder,
              memory::Pool& pool);

  /// Their memory.
  static memory::Buffer<std::uint64_t> take_memory(const graph::Shard& shard, memory::Pool& pool);

  /// The original id of an owned entity.
  [[nodiscard]] std::uint64_t operator[](EntityId entity) const { return ids_[entity.value() - first_.value()]; }
  /// Collective. Replaces global ids of any owner by original ones; every rank passes the same values.
  void translate(comm::Communicator& comm, std::span<std::int64_t> entities) const;

 private:
  EntityId first_;
  memory::Buffer<std::uint64_t> ids_;
};

}  // namespace tessera::search
