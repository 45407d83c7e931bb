// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/stored_model.hpp"
#include "graph/shard.hpp"
#include "model/parameters.hpp"
#include "storage/hdf5.hpp"
#include "storage/string_blocks.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::checkpoint {

/// An exported model: a folder with this file and the job that says which graph it is about (docs/formats/model.md).
inline constexpr const char* kModelFile = "model.h5";
inline constexpr const char* kModelKind = "model";
inline constexpr std::uint64_t kModelVersion = 1;
inline constexpr std::uint64_t kBlockRows = 4096;  ///< read and written at once

/// Writes model.h5: first everything but the entity rows, which are then appended in order of their ids.
class ModelFileWriter {
 public:
  /// Throws Error(kIo).
  ModelFileWriter(const std::filesystem::path& file, const ModelShape& shape, std::span<const ModelOrigin> origins);
  /// `relations` [2R, relation dim]; `core` [relation dim, operator dim], or empty.
  void write_relations(std::span<const float> relations, std::span<const float> core);
  /// Names by id: those of all entities, or of all relations, in `group` ("/entities", "/relations").
  void write_names(const std::string& group, const storage::StringBlocks& names);
  /// Whole rows of the next entities.
  void append(std::span<const float> rows) { rows_.append(rows); }
  void close();

 private:
  ModelShape shape_;
  storage::FileWriter file_;
  storage::DatasetWriter rows_;
};

/// Columns of the core of `relation_dim` rows at `path`; 0 when there is none. Throws Error(kBadData).
std::uint64_t core_columns(const storage::FileReader& file, const std::string& path, std::uint64_t relation_dim);

/// Calls `visit` with every string in order.
void for_each_name(const storage::StringBlocks& names, const std::function<void(std::string_view)>& visit);

/// Whether a folder holds an exported model.
bool is_exported(const std::filesystem::path& folder);

/// Throws Error(kUsage): an exported model is one state, not several.
[[noreturn]] void refuse_epoch_of_exported(const std::filesystem::path& folder);

/// The model in `folder`. Throws Error(kMissingInput), Error(kBadData).
std::unique_ptr<StoredModel> open_model_file(const std::filesystem::path& folder);

/// Loads the rows of this rank's parts, whatever partition the model was trained with, and returns the epoch. Not
/// collective; reads the whole file in blocks. Throws Error(kMissingInput), Error(kBadData) for a damaged file,
/// Error(kUsage) for one of another graph, model or dim.
std::uint64_t load_model_file(const std::filesystem::path& folder, const std::filesystem::path& partition_folder,
                              const graph::Shard& shard, model::Parameters& parameters);

}  // namespace tessera::checkpoint
