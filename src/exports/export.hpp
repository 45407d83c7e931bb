// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/score_sum.hpp"
#include "graph/graph_reader.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace tessera::exports {

/// The format of an exported model (docs/formats/model.md). All formats but kHdf5 are for other programs.
enum class ExportFormat : std::uint8_t {
  kHdf5,         ///< model.h5, which evaluate, predict and info read
  kNpy,          ///< entities.npy, relations.npy and lists of names
  kTsv,          ///< entities.tsv, relations.tsv: a name and its numbers per line
  kSafetensors,  ///< model.safetensors and lists of names
};

/// Bytes that export_model() writes, about.
std::uint64_t export_bytes(const checkpoint::ModelShape& shape, ExportFormat format);

/// Writes a model into `folder`, which is there and becomes whole or is thrown away: rows in order of the ids of the
/// graph, and its names. O(free half of the pool + names, compressed) of memory. Throws Error(kIo), Error(kBadData).
void export_model(const checkpoint::ScoreSum& model, const graph::GraphReader& graph, ExportFormat format,
                  const std::filesystem::path& folder, memory::Pool& pool);

}  // namespace tessera::exports
