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
inline constexpr std::uint64_t kModelVersion = 2;  ///< 1: entity rows in fp32 alone
inline constexpr std::uint64_t kBlockRows = 4096;  ///< read and written at once

/// Writes model.h5: first everything but the entity rows, which are then appended in order of their ids.
class ModelFileWriter {
 public:
  /// Entity rows are stored in `format`. Throws Error(kIo).
  ModelFileWriter(const std::filesystem::path& file, const ModelShape& shape, std::span<const ModelOrigin> origins,
                  kernels::RowFormat format);
  /// `relations` [2R, relation dim]; `core` [relation dim, operator dim], or empty.
  void write_relations(std::span<const float> relations, std::span<const float> core);
  /// Names by id: those of all entities, or of all relations, in `group` ("/entities", "/relations").
  void write_names(const std::string& group, const storage::StringBlocks& names);
  /// Whole rows of the next entities, in fp32; threads do not change the file. Throws Error(kBadData) for a row that
  /// has numbers which are not finite in the format.
  void append(std::span<const float> rows, std::size_t threads);
  void close();

 private:
  void append_encoded(kernels::ConstMatrix rows, std::size_t threads);
  void require_finite(const kernels::ConstStoredRows& rows) const;

  ModelShape shape_;
  kernels::RowFormat format_;
  storage::FileWriter file_;
  storage::DatasetWriter rows_;
  std::uint64_t appended_ = 0;
  std::vector<std::byte> encoded_;
};

/// Columns of the core of `relation_dim` rows at `path`; 0 when there is none. Throws Error(kBadData).
std::uint64_t core_columns(const storage::FileReader& file, const std::string& path, std::uint64_t relation_dim);

/// Calls `visit` with every string in order.
void for_each_name(const storage::StringBlocks& names, const std::function<void(std::string_view)>& visit);

/// Whether a folder holds an exported model.
bool is_exported(const std::filesystem::path& folder);

/// Throws Error(kUsage): an exported model is one state, not several.
[[noreturn]] void refuse_epoch_of_exported(const std::filesystem::path& folder);

/// An exported model.
class ModelFile final : public StoredModel {
 public:
  /// Throws Error(kMissingInput), Error(kBadData).
  explicit ModelFile(const std::filesystem::path& folder);

  [[nodiscard]] const ModelShape& shape() const override { return shape_; }
  [[nodiscard]] const std::vector<ModelOrigin>& origins() const override { return origins_; }
  [[nodiscard]] std::vector<float> relations() const override;
  [[nodiscard]] std::vector<float> core() const override;
  void for_each_block(const RowConsumer& consume) const override;

  /// The format of entity rows.
  [[nodiscard]] kernels::RowFormat row_format() const { return format_; }
  /// Loads the rows of this rank's parts as they are stored, whatever partition the model was trained with:
  /// `parameters` have rows of row_format(). Not collective; reads the whole file in blocks. Throws Error(kBadData) for
  /// a damaged file, Error(kUsage) for one of another graph, model or dim.
  void load(const std::filesystem::path& partition_folder, const graph::Shard& shard,
            model::Parameters& parameters) const;

 private:
  void check_fits(const graph::Shard& shard, const model::Parameters& parameters) const;
  void for_each_stored(const std::function<void(std::span<const std::uint64_t> ids,
                                                const kernels::ConstStoredRows& rows)>& consume) const;

  storage::FileReader file_;
  kernels::RowFormat format_;
  ModelShape shape_;
  std::vector<ModelOrigin> origins_;
};

}  // namespace tessera::checkpoint
