// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/graph_reader.hpp"
#include "graph/partition_manifest.hpp"
#include "partition/part_attributes.hpp"
#include "storage/checksum.hpp"

#include <cstdint>
#include <filesystem>
#include <span>

namespace tessera::partition {

/// Everything that the files of the parts are made from.
struct PartSources {
  const graph::GraphReader& reader;
  const graph::PartitionManifest& manifest;  ///< with new_ids
  std::span<const std::uint64_t> old_ids;    ///< [N] global id -> id in graph.h5
  std::span<const std::uint32_t> degree;     ///< [N] by id in graph.h5
  const PartAttributes& attributes;
};

/// Bytes of all part files and the manifest, a little too many rather than too few.
std::uint64_t partition_bytes(const PartSources& sources);

/// How parts are written.
struct WriteSettings {
  std::uint64_t block_bytes;  ///< for queries that are gathered together
  std::size_t threads;        ///< each packs a part at a time; they change no bit
};

/// Writes, syncs and records the files of all parts. Queries are gathered for a group of parts at a time: 16 bytes per
/// query up to the block, or one part if that is more; one scan of the graph per group.
void write_parts(const std::filesystem::path& folder, const PartSources& sources, const WriteSettings& settings,
                 storage::FolderChecksums& checksums);

}  // namespace tessera::partition
