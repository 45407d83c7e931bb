// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/stored_model.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/model_file.hpp"
#include "checkpoint/row_table.hpp"
#include "core/error.hpp"
#include "core/job.hpp"
#include "graph/part_file.hpp"
#include "graph/partition_manifest.hpp"
#include "graph/permutation.hpp"
#include "storage/checksum.hpp"
#include "storage/hdf5.hpp"

#include <algorithm>
#include <utility>

namespace tessera::checkpoint {
namespace {

namespace fs = std::filesystem;

storage::FileReader open_chunk(const fs::path& file, const char* kind, std::uint64_t version, PartId part) {
  auto chunk = storage::FileReader::open_verified(file, kind, version);
  if (chunk.integer("/", "part") != part.value())
    fail(ExitStatus::kBadData, "'{}' is not the chunk of part {}", file.string(), part.value());
  return chunk;
}

/// A checkpoint of a run. Its rows are in the order of the partition that the run was trained with.
class CheckpointModel final : public StoredModel {
 public:
  CheckpointModel(const fs::path& run_folder, fs::path partition_folder, std::optional<std::uint64_t> epoch)
      : partition_folder_(std::move(partition_folder)), partition_(graph::read_manifest(partition_folder_, false)) {
    const CheckpointStore checkpoints(run_folder);
    if (epoch) checkpoints.require(*epoch);
    const std::uint64_t chosen = epoch ? *epoch : checkpoints.best_sound();
    folder_ = checkpoints.epoch_folder(chosen);
    const storage::FileReader manifest = open_manifest();
    check_partition(manifest, partition_);
    serves_average_ = manifest.has(kRelationAverage);
    const auto relations = manifest.shape(relation_rows());
    if (relations.size() != 2 || relations[0] != 2 * partition_.relation_count)
      fail(ExitStatus::kBadData, "'{}', {}: not two rows per relation of the graph", manifest.path().string(),
           relation_rows());
    shape_.name = manifest.string("/", "model");
    shape_.dim = manifest.integer("/", "dim");
    shape_.relation_dim = relations[1];
    shape_.operator_dim = core_columns(manifest, core_rows(), relations[1]);
    shape_.entity_count = partition_.entity_count;
    shape_.relation_count = partition_.relation_count;
    shape_.graph_digest = partition_.graph_digest;
    shape_.epoch = chosen;
    origins_ = {{fs::absolute(run_folder).lexically_normal().string(), chosen, manifest.real("/", "best_mrr"),
                 storage::hash_file(folder_ / storage::kChecksumsName).hex(),
                 to_toml(read_job(run_folder / kJobFile))}};
  }

  [[nodiscard]] const ModelShape& shape() const override { return shape_; }
  [[nodiscard]] const std::vector<ModelOrigin>& origins() const override { return origins_; }
  [[nodiscard]] std::vector<float> relations() const override { return open_manifest().read<float>(relation_rows()); }

  [[nodiscard]] std::vector<float> core() const override {
    return shape_.operator_dim == 0 ? std::vector<float>() : open_manifest().read<float>(core_rows());
  }

  void for_each_block(const RowConsumer& consume) const override {
    graph::PermutationSum sum;
    for (PartId part(0); part.value() < partition_.part_count(); ++part) read_part(part, sum, consume);
    if (!sum.is_permutation())
      fail(ExitStatus::kBadData, "'{}', {} of the parts: not a permutation of the entities", partition_folder_.string(),
           graph::kOriginalIds);
  }

 private:
  [[nodiscard]] storage::FileReader open_manifest() const {
    return storage::FileReader::open_verified(folder_ / graph::kManifestFile, kCheckpointKind, kCheckpointVersion);
  }
  [[nodiscard]] const char* relation_rows() const { return serves_average_ ? kRelationAverage : kRelationRows; }

  [[nodiscard]] const char* core_rows() const { return serves_average_ ? kCoreAverage : kCoreRows; }

  void read_part(PartId part, graph::PermutationSum& sum, const RowConsumer& consume) const {
    const auto name = graph::part_file_name(part);
    const auto ids_file = open_chunk(partition_folder_ / name, graph::kPartKind, graph::kPartVersion, part);
    const auto rows_file = open_chunk(folder_ / name, kCheckpointPartKind, kCheckpointVersion, part);
    const char* rows_path = serves_average_ ? kPartAverage : kPartRows;
    const std::uint64_t count = partition_.rows(part);
    RowTableReader table(rows_file, rows_path, count, shape_.dim);
    if (ids_file.length(graph::kOriginalIds) != count)
      fail(ExitStatus::kBadData, "'{}' does not hold the {} ids of its part", ids_file.path().string(), count);
    std::vector<std::uint64_t> ids;
    std::vector<float> rows;
    for (std::uint64_t first = 0; first < count; first += kBlockRows) {
      ids.resize(std::min(kBlockRows, count - first));
      rows.resize(ids.size() * shape_.dim);
      ids_file.read_rows<std::uint64_t>(graph::kOriginalIds, first, ids.size(), ids);
      const kernels::Matrix block{rows.data(), ids.size(), shape_.dim, shape_.dim};
      table.read_next(block);
      if (std::any_of(ids.begin(), ids.end(), [&](std::uint64_t id) { return id >= shape_.entity_count; }))
        fail(ExitStatus::kBadData, "'{}', {}: ids out of range", ids_file.path().string(), graph::kOriginalIds);
      sum.add(ids, partition_.offsets[part.index()] + first);
      consume(ids, block);
    }
  }

  fs::path partition_folder_;
  graph::PartitionManifest partition_;
  fs::path folder_;
  bool serves_average_ = false;
  ModelShape shape_;
  std::vector<ModelOrigin> origins_;
};

}  // namespace

std::unique_ptr<StoredModel> open_stored_model(const fs::path& run_folder, const fs::path& partition_folder,
                                               std::optional<std::uint64_t> epoch) {
  if (!is_exported(run_folder)) return std::make_unique<CheckpointModel>(run_folder, partition_folder, epoch);
  if (epoch) refuse_epoch_of_exported(run_folder);
  return std::make_unique<ModelFile>(run_folder);
}

}  // namespace tessera::checkpoint
