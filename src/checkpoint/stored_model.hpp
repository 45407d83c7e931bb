// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::checkpoint {

/// Which checkpoint a model is from, and with which weight its scores count.
struct ModelOrigin {
  std::string run;  ///< run folder, absolute
  std::uint64_t epoch = 0;
  double validation_mrr = 0;  ///< validation MRR of the best checkpoint of the run; 0: never validated
  std::string digest;         ///< XXH3-128 of checksums.xxh3 of the checkpoint, which lists all of its files
  std::string job;            ///< the job of the run as TOML
  double weight = 1;
};

/// The description of a model, which is read before its rows.
struct ModelShape {
  std::string name;  ///< name of the scorer
  std::uint64_t dim = 0;
  std::uint64_t relation_dim = 0;    ///< reals per relation row
  std::uint64_t operator_dim = 0;    ///< the core is [relation dim, operator dim]; 0: there is none
  std::uint64_t entity_count = 0;    ///< N
  std::uint64_t relation_count = 0;  ///< R; there are 2R relation rows
  std::string graph_digest;
  std::uint64_t epoch = 0;  ///< epoch of the checkpoint; 0 for a sum of several models
};

/// Original ids and the rows [ids, dim] of these entities.
using RowConsumer = std::function<void(std::span<const std::uint64_t> ids, kernels::ConstMatrix rows)>;

/// A model on disk as it is served: with the averages of its rows where it has them. Entity rows are read some at a
/// time, so it may be larger than memory. Every file is checked against its checksum, every id against the graph.
class StoredModel {
 public:
  virtual ~StoredModel() = default;
  [[nodiscard]] virtual const ModelShape& shape() const = 0;
  [[nodiscard]] virtual const std::vector<ModelOrigin>& origins() const = 0;
  /// [2R, relation dim], by directed relation.
  [[nodiscard]] virtual std::vector<float> relations() const = 0;
  /// [relation dim, operator dim]; empty when the model has none.
  [[nodiscard]] virtual std::vector<float> core() const = 0;
  /// Reads all entity rows once; each entity comes exactly once, in the order of the files.
  virtual void for_each_block(const RowConsumer& consume) const = 0;
};

/// The model of a run folder or of an exported one. `partition_folder` is that of the run's job; `epoch` is a
/// checkpoint of the run (default: as for ranking). Throws Error: kMissingInput, kBadData, kUsage for a run of another
/// graph or partition, or an epoch of an exported model.
std::unique_ptr<StoredModel> open_stored_model(const std::filesystem::path& run_folder,
                                               const std::filesystem::path& partition_folder,
                                               std::optional<std::uint64_t> epoch);

}  // namespace tessera::checkpoint
