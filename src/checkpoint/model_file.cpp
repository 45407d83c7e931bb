// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/model_file.hpp"

#include "checkpoint/checkpoint.hpp"
#include "core/error.hpp"
#include "graph/permutation.hpp"
#include "model/own_rows.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tessera::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEntityRows = "/entities/rows";
constexpr const char* kMembers = "/members";

std::string member_group(std::size_t i) { return fmt::format("{}/{:06}", kMembers, i); }

ModelOrigin read_origin(const storage::FileReader& file, std::size_t i) {
  const std::string group = member_group(i);
  return {file.string(group, "run"),    file.integer(group, "epoch"), file.real(group, "validation_mrr"),
          file.string(group, "digest"), file.string(group, "job"),    file.real(group, "weight")};
}

/// Reads the shape, and refuses a file that lacks a part of it.
ModelShape read_shape(const storage::FileReader& file) {
  const auto rows = file.shape(kEntityRows);
  const auto relations = file.shape(kRelationRows);
  if (rows.size() != 2 || relations.size() != 2 || relations[0] % 2 != 0)
    fail(ExitStatus::kBadData, "'{}': {} and {} are not tables of rows", file.path().string(), kEntityRows,
         kRelationRows);
  return {file.string("/", "model"),
          rows[1],
          relations[1],
          core_columns(file, kCoreRows, relations[1]),
          rows[0],
          relations[0] / 2,
          file.string("/", "graph_digest"),
          file.integer("/", "epoch")};
}

class ExportedModel final : public StoredModel {
 public:
  explicit ExportedModel(const fs::path& folder)
      : file_(storage::FileReader::open_verified(folder / kModelFile, kModelKind, kModelVersion)),
        shape_(read_shape(file_)) {
    for (std::size_t i = 0; i < file_.children(kMembers).size(); ++i) origins_.push_back(read_origin(file_, i));
  }

  [[nodiscard]] const ModelShape& shape() const override { return shape_; }
  [[nodiscard]] const std::vector<ModelOrigin>& origins() const override { return origins_; }
  [[nodiscard]] std::vector<float> relations() const override { return file_.read<float>(kRelationRows); }

  [[nodiscard]] std::vector<float> core() const override {
    return shape_.operator_dim == 0 ? std::vector<float>() : file_.read<float>(kCoreRows);
  }

  void for_each_block(const RowConsumer& consume) const override {
    std::vector<std::uint64_t> ids;
    std::vector<float> rows;
    for (std::uint64_t first = 0; first < shape_.entity_count; first += kBlockRows) {
      ids.resize(std::min(kBlockRows, shape_.entity_count - first));
      std::iota(ids.begin(), ids.end(), first);
      rows.resize(ids.size() * shape_.dim);
      file_.read_rows<float>(kEntityRows, first, ids.size(), rows);
      consume(ids, {rows.data(), ids.size(), shape_.dim, shape_.dim});
    }
  }

 private:
  storage::FileReader file_;
  ModelShape shape_;
  std::vector<ModelOrigin> origins_;
};

void check_fits(const fs::path& folder, const ModelShape& shape, const graph::Shard& shard,
                const model::Parameters& parameters) {
  if (shape.graph_digest != shard.manifest.graph_digest)
    fail(ExitStatus::kUsage, "model '{}' is of another graph than the job names", folder.string());
  if (shape.name != parameters.scorer().name() || shape.dim != parameters.dim())
    fail(ExitStatus::kUsage, "'{}' holds a {} model with dim {}, the job says {} with dim {}", folder.string(),
         shape.name, shape.dim, parameters.scorer().name(), parameters.dim());
  if (shape.entity_count != shard.manifest.entity_count || shape.relation_count != shard.manifest.relation_count ||
      shape.relation_dim != parameters.relations().cols || shape.operator_dim != parameters.core().cols)
    fail(ExitStatus::kBadData, "'{}': {} entities and {} relations of {} reals are not those of its graph and job",
         (folder / kModelFile).string(), shape.entity_count, shape.relation_count, shape.relation_dim);
}

}  // namespace

ModelFileWriter::ModelFileWriter(const fs::path& file, const ModelShape& shape, std::span<const ModelOrigin> origins)
    : shape_(shape),
      file_(file, kModelKind, kModelVersion),
      rows_(file_.dataset(kEntityRows, storage::ElementType::kF32, {shape.entity_count, shape.dim},
                          {"entity rows, by id in graph.h5"})) {
  file_.attribute("/", "model", shape.name);
  file_.attribute("/", "dim", shape.dim);
  file_.attribute("/", "graph_digest", shape.graph_digest);
  file_.attribute("/", "epoch", shape.epoch);
  for (std::size_t i = 0; i < origins.size(); ++i) {
    const std::string group = member_group(i);
    file_.attribute(group, "run", origins[i].run);
    file_.attribute(group, "epoch", origins[i].epoch);
    file_.attribute(group, "validation_mrr", origins[i].validation_mrr);
    file_.attribute(group, "digest", origins[i].digest);
    file_.attribute(group, "job", origins[i].job);
    file_.attribute(group, "weight", origins[i].weight);
  }
}

void ModelFileWriter::write_relations(std::span<const float> relations, std::span<const float> core) {
  file_.write<float>(kRelationRows, relations, {"relation rows, by directed relation"},
                     {2 * shape_.relation_count, shape_.relation_dim});
  if (!core.empty())
    file_.write<float>(kCoreRows, core, {"core, by element of a relation row"},
                       {shape_.relation_dim, shape_.operator_dim});
}

void ModelFileWriter::write_names(const std::string& group, const storage::StringBlocks& names) {
  std::uint64_t total = 0;
  for_each_name(names, [&](std::string_view name) { total += name.size(); });
  auto offsets = file_.dataset(group + "/name_offsets", storage::ElementType::kU64, {names.size() + 1},
                               {"start of each name in name_bytes, and the end", "byte"});
  auto bytes = file_.dataset(group + "/name_bytes", storage::ElementType::kU8, {total},
                             {"names by id, UTF-8, one after the other", "byte"});
  std::vector<std::uint64_t> ends = {0};
  for (std::uint64_t block = 0; block < names.block_count(); ++block) {
    std::string text;
    for (const std::string& name : names.block(block)) {
      text += name;
      ends.push_back(ends.back() + name.size());
    }
    bytes.append(std::span<const char>(text));
    offsets.append(std::span<const std::uint64_t>(ends).first(ends.size() - 1));
    ends.erase(ends.begin(), ends.end() - 1);
  }
  offsets.append(std::span<const std::uint64_t>(ends));
  offsets.finish();
  bytes.finish();
}

void ModelFileWriter::close() {
  rows_.finish();
  file_.close();
}

void for_each_name(const storage::StringBlocks& names, const std::function<void(std::string_view)>& visit) {
  for (std::uint64_t block = 0; block < names.block_count(); ++block)
    for (const std::string& name : names.block(block)) visit(name);
}

std::uint64_t core_columns(const storage::FileReader& file, const std::string& path, std::uint64_t relation_dim) {
  if (!file.has(path)) return 0;
  const auto shape = file.shape(path);
  if (shape.size() != 2 || shape[0] != relation_dim)
    fail(ExitStatus::kBadData, "'{}', {}: not one row per element of a relation row", file.path().string(), path);
  return shape[1];
}

bool is_exported(const fs::path& folder) { return fs::exists(folder / kModelFile); }

void refuse_epoch_of_exported(const fs::path& folder) {
  fail(ExitStatus::kUsage, "'{}' is an exported model: it has one state, and no --epoch to choose", folder.string());
}

std::unique_ptr<StoredModel> open_model_file(const fs::path& folder) { return std::make_unique<ExportedModel>(folder); }

std::uint64_t load_model_file(const fs::path& folder, const fs::path& partition_folder, const graph::Shard& shard,
                              model::Parameters& parameters) {
  const ExportedModel model(folder);
  check_fits(folder, model.shape(), shard, parameters);
  const std::vector<float> relations = model.relations();
  std::copy(relations.begin(), relations.end(), parameters.relations().data);
  const std::vector<float> core = model.core();
  std::copy(core.begin(), core.end(), parameters.core().data);
  const auto partition = storage::FileReader::open_verified(partition_folder / graph::kManifestFile,
                                                            graph::kPartitionKind, graph::kPartitionVersion);
  const model::OwnRows own(shard, parameters);
  graph::PermutationSum sum;
  std::vector<std::uint64_t> new_ids;
  model.for_each_block([&](std::span<const std::uint64_t> ids, kernels::ConstMatrix rows) {
    new_ids.resize(ids.size());
    partition.read_rows<std::uint64_t>(graph::kNewIds, ids.front(), ids.size(), new_ids);
    sum.add(new_ids, ids.front());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!own.owns(EntityId(new_ids[i]))) continue;
      const model::OwnRows::Place at = own.place(EntityId(new_ids[i]));
      model::encode(rows.block(i, 1), parameters.parts()[at.part].rows.block(at.row.index(), 1));
    }
  });
  if (!sum.is_permutation())
    fail(ExitStatus::kBadData, "'{}', {}: not a permutation of the entities", partition.path().string(),
         graph::kNewIds);
  return model.shape().epoch;
}

}  // namespace tessera::checkpoint
