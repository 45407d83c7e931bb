// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/score_sum.hpp"
#include "graph/graph_reader.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::exports {

/// The format of an exported model (docs/formats/model.md). All formats but kHdf5 are for other programs.
enum class ExportFormat : std::uint8_t {
  kHdf5,         ///< model.h5, which evaluate, predict and info read
  kNpy,          ///< entities.npy, relations.npy and lists of names
  kTsv,          ///< entities.tsv, relations.tsv: a name and its numbers per line
  kSafetensors,  ///< model.safetensors and lists of names
};

/// The formats of entity rows in an exported model: "fp32", "bf16", "fp16", "int8", "int4"; the last two are in groups.
std::vector<std::string> serving_formats();
/// The format of that name; throws Error(kUsage).
kernels::RowFormat serving_format(const std::string& name);

/// How a model is written.
struct ExportOptions {
  ExportFormat format = ExportFormat::kHdf5;
  kernels::RowFormat rows = kernels::RowFormat::kFp32;  ///< of entity rows; another one than fp32 only of kHdf5
  std::size_t threads = 1;                              ///< change no byte
};

/// Bytes that export_model() writes, about.
std::uint64_t export_bytes(const checkpoint::ModelShape& shape, const ExportOptions& options);

/// Writes a model into `folder`, which is there and becomes whole or is thrown away: rows in order of the ids of the
/// graph, and its names. O(free half of the pool + names, compressed) of memory. Throws Error(kIo), Error(kBadData).
void export_model(const checkpoint::ScoreSum& model, const graph::GraphReader& graph, const ExportOptions& options,
                  const std::filesystem::path& folder, memory::Pool& pool);

}  // namespace tessera::exports
