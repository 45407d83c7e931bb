// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/model_file.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/row_table.hpp"
#include "core/error.hpp"
#include "core/job.hpp"
#include "core/parallel.hpp"
#include "graph/permutation.hpp"
#include "model/own_rows.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

namespace tessera::checkpoint {
namespace {

namespace fs = std::filesystem;

using kernels::RowFormat;

constexpr const char* kEntityRows = "/entities/rows";
constexpr const char* kMembers = "/members";
constexpr std::size_t kEncodedAtOnce = 128;  // rows that a thread encodes

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
  const std::uint64_t dim = file.integer("/", "dim");
  if (dim == 0 || dim > kMostDim)
    fail(ExitStatus::kBadData, "'{}': rows of {} numbers are not possible", file.path().string(), dim);
  return {file.string("/", "model"),
          dim,
          relations[1],
          core_columns(file, kCoreRows, relations[1]),
          rows[0],
          relations[0] / 2,
          file.string("/", "graph_digest"),
          file.integer("/", "epoch")};
}

/// Hot rows belong to training: no exported model has them.
RowFormat read_format(const storage::FileReader& file) {
  const RowFormat format = row_format_of(file);
  if (format == RowFormat::kInt8)
    fail(ExitStatus::kBadData, "'{}': an exported model does not have rows in {}", file.path().string(),
         model::name(format));
  return format;
}

}  // namespace

ModelFileWriter::ModelFileWriter(const fs::path& file, const ModelShape& shape, std::span<const ModelOrigin> origins,
                                 RowFormat format)
    : shape_(shape),
      format_(format),
      file_(file, kModelKind, kModelVersion),
      rows_(start_rows(file_, kEntityRows, format, shape.entity_count, shape.dim)) {
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

void ModelFileWriter::append(std::span<const float> rows, std::size_t threads) {
  const kernels::ConstMatrix all{rows.data(), rows.size() / shape_.dim, shape_.dim, shape_.dim};
  for (std::size_t first = 0; first < all.rows; first += kBlockRows)
    append_encoded(all.block(first, std::min<std::size_t>(kBlockRows, all.rows - first)), threads);
}

void ModelFileWriter::append_encoded(kernels::ConstMatrix rows, std::size_t threads) {
  if (format_ == RowFormat::kFp32) return rows_.append(std::span(rows.data, rows.rows * rows.cols));
  const std::size_t stride = kernels::row_bytes(format_, rows.cols);
  encoded_.resize(rows.rows * stride);
  const kernels::StoredRows stored(format_, encoded_.data(), rows.rows, rows.cols, stride);
  parallel_for((rows.rows + kEncodedAtOnce - 1) / kEncodedAtOnce, threads, [&](std::size_t piece) {
    const std::size_t first = piece * kEncodedAtOnce;
    const std::size_t count = std::min(kEncodedAtOnce, rows.rows - first);
    model::encode(rows.block(first, count), stored.block(first, count));
  });
  require_finite(stored);
  rows_.append(std::span<const std::byte>(encoded_));
  appended_ += rows.rows;
}

void ModelFileWriter::require_finite(const kernels::ConstStoredRows& rows) const {
  std::vector<float> row(rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    model::decode(rows.block(i, 1), {row.data(), 1, rows.cols, rows.cols});
    if (!std::isfinite(model::largest_magnitude(row.data(), row.size())))
      fail(ExitStatus::kBadData, "the row of entity {} has numbers that are not finite in {}; nothing is exported",
           appended_ + i, model::name(rows.format));
  }
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

ModelFile::ModelFile(const fs::path& folder)
    : file_(storage::FileReader::open_verified(folder / kModelFile, kModelKind, kModelVersion)),
      format_(read_format(file_)),
      shape_(read_shape(file_)) {
  for (std::size_t i = 0; i < file_.children(kMembers).size(); ++i) origins_.push_back(read_origin(file_, i));
}

std::vector<float> ModelFile::relations() const { return file_.read<float>(kRelationRows); }

std::vector<float> ModelFile::core() const {
  return shape_.operator_dim == 0 ? std::vector<float>() : file_.read<float>(kCoreRows);
}

void ModelFile::for_each_stored(const std::function<void(std::span<const std::uint64_t> ids,
                                                         const kernels::ConstStoredRows& rows)>& consume) const {
  RowTableReader table(file_, kEntityRows, shape_.entity_count, shape_.dim);
  std::vector<std::uint64_t> ids;
  for (std::uint64_t first = 0; first < shape_.entity_count; first += kBlockRows) {
    ids.resize(std::min(kBlockRows, shape_.entity_count - first));
    std::iota(ids.begin(), ids.end(), first);
    consume(ids, table.read_stored(ids.size()));
  }
}

void ModelFile::for_each_block(const RowConsumer& consume) const {
  std::vector<float> memory;
  for_each_stored([&](std::span<const std::uint64_t> ids, const kernels::ConstStoredRows& rows) {
    memory.resize(rows.rows * rows.cols);
    const kernels::Matrix decoded{memory.data(), rows.rows, rows.cols, rows.cols};
    model::decode(rows, decoded);
    consume(ids, decoded);
  });
}

void ModelFile::check_fits(const graph::Shard& shard, const model::Parameters& parameters) const {
  const std::string folder = file_.path().parent_path().string();
  if (shape_.graph_digest != shard.manifest.graph_digest)
    fail(ExitStatus::kUsage, "model '{}' is of another graph than the job names", folder);
  if (shape_.name != parameters.scorer().name() || shape_.dim != parameters.dim())
    fail(ExitStatus::kUsage, "'{}' holds a {} model with dim {}, the job says {} with dim {}", folder, shape_.name,
         shape_.dim, parameters.scorer().name(), parameters.dim());
  if (shape_.entity_count != shard.manifest.entity_count || shape_.relation_count != shard.manifest.relation_count ||
      shape_.relation_dim != parameters.relations().cols || shape_.operator_dim != parameters.core().cols)
    fail(ExitStatus::kBadData, "'{}': {} entities and {} relations of {} reals are not those of its graph and job",
         file_.path().string(), shape_.entity_count, shape_.relation_count, shape_.relation_dim);
}

void ModelFile::load(const fs::path& partition_folder, const graph::Shard& shard, model::Parameters& parameters) const {
  check_fits(shard, parameters);
  const std::vector<float> relations = this->relations();
  std::copy(relations.begin(), relations.end(), parameters.relations().data);
  const std::vector<float> core = this->core();
  std::copy(core.begin(), core.end(), parameters.core().data);
  const auto partition = storage::FileReader::open_verified(partition_folder / graph::kManifestFile,
                                                            graph::kPartitionKind, graph::kPartitionVersion);
  const model::OwnRows own(shard, parameters);
  graph::PermutationSum sum;
  std::vector<std::uint64_t> new_ids;
  for_each_stored([&](std::span<const std::uint64_t> ids, const kernels::ConstStoredRows& rows) {
    new_ids.resize(ids.size());
    partition.read_rows<std::uint64_t>(graph::kNewIds, ids.front(), ids.size(), new_ids);
    sum.add(new_ids, ids.front());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!own.owns(EntityId(new_ids[i]))) continue;
      const model::OwnRows::Place at = own.place(EntityId(new_ids[i]));
      const kernels::StoredRows& table = parameters.parts()[at.part].rows;
      TESSERA_ASSERT(table.format == format_, "rows are loaded as they are stored");
      std::memcpy(table.row(at.row.index()), rows.row(i), rows.stride);
    }
  });
  if (!sum.is_permutation())
    fail(ExitStatus::kBadData, "'{}', {}: not a permutation of the entities", partition.path().string(),
         graph::kNewIds);
}

}  // namespace tessera::checkpoint
