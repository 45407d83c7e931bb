// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/saving.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/row_table.hpp"
#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "core/fault.hpp"
#include "model/gather_parts.hpp"
#include "storage/hdf5.hpp"

#include <string>
#include <system_error>
#include <utility>

namespace tessera::checkpoint {
namespace {

using kernels::ConstMatrix;

void write_matrix(storage::FileWriter& file, const std::string& path, ConstMatrix matrix, const std::string& meaning) {
  if (matrix.data == nullptr) return;
  file.write<float>(path, std::span(matrix.data, matrix.rows * matrix.cols), {meaning}, {matrix.rows, matrix.cols});
}

void write_file(const std::filesystem::path& path, const graph::Shard& shard, const PartToSave& part) {
  storage::FileWriter file(path, kCheckpointPartKind, kCheckpointVersion);
  file.attribute("/", "part", std::uint64_t{part.table.part.value()});
  file.attribute("/", "graph_digest", shard.manifest.graph_digest);
  write_rows(file, kPartRows, part.table.rows);
  write_state(file, "/state", part.table.state);
  write_matrix(file, kPartAverage, part.average, "averages of the rows over epochs");
  file.close();
  storage::sync_path(path);
}

std::uint64_t file_bytes(const PartToSave& part) {
  const model::PartTable& table = part.table;
  return table.rows.rows * table.rows.stride + table.rows.hot.rows * table.rows.hot.cols * sizeof(float) +
         table.state.rows * table.state.stride +
         (part.average.data == nullptr ? 0 : part.average.rows * part.average.cols * sizeof(float));
}

// By element of a relation row; a row of the core is a matrix of source by target elements.
void write_core(storage::FileWriter& file, const model::Parameters& parameters) {
  write_matrix(file, kCoreRows, parameters.core(), "core, by element of a relation row");
  write_matrix(file, "/core/state", parameters.core_state(), "optimiser state of the core");
  if (const model::Parameters* average = parameters.average())
    write_matrix(file, kCoreAverage, average->core(), "average of the core over epochs");
}

// Relation rows and the core are small: they are written at once, and need no copy.
void write_manifest(const std::filesystem::path& path, const ToSave& what) {
  const model::Parameters& parameters = what.parameters;
  storage::FileWriter file(path, kCheckpointKind, kCheckpointVersion);
  file.attribute("/", "graph_digest", what.shard.manifest.graph_digest);
  file.attribute("/", "partition_digest", what.shard.manifest.digest);
  file.attribute("/", "model", std::string(parameters.scorer().name()));
  file.attribute("/", "dim", std::uint64_t{parameters.dim()});
  file.attribute("/", "parts", std::uint64_t{what.shard.manifest.part_count()});
  write_run_state(file, what.state);
  write_matrix(file, kRelationRows, parameters.relations(), "relation rows, by directed relation");
  write_matrix(file, "/relations/state", parameters.relation_state(), "optimiser state of the relation rows");
  if (const model::Parameters* average = parameters.average())
    write_matrix(file, kRelationAverage, average->relations(), "averages of the relation rows over epochs");
  write_core(file, parameters);
  file.close();
}

void make_empty_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  std::filesystem::create_directories(folder, error);
  if (error) fail(ExitStatus::kIo, "folder '{}' cannot be made: {}", folder.string(), error.message());
}

// In a thread, or at once; what it throws comes with get().
template <class Step>
auto begin(bool in_background, Step step) {
  using Result = std::invoke_result_t<Step>;
  if (in_background) return std::async(std::launch::async, std::move(step));
  std::packaged_task<Result()> task(std::move(step));
  auto result = task.get_future();
  task();
  return result;
}

template <class Result>
bool is_running(const std::future<Result>& step) {
  return step.valid() && step.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

}  // namespace

Saving::Saving(comm::Communicator& comm, const Folders& folders, ToSave what, std::function<void()> publish)
    : comm_(comm), folders_(folders), what_(std::move(what)), publish_(std::move(publish)) {
  comm::on_root(comm_, [&] {
    make_empty_folder(folders_.temporary);
    removed_on_failure_.emplace(folders_.temporary);
    write_manifest(folders_.temporary / graph::kManifestFile, what_);
  });
  written_ = begin(what_.in_background, [this] {
    std::vector<storage::Digest> digests = write_own_parts();
    if (comm_.size() == 1) publish_all(digests);  // nobody to wait for
    return digests;
  });
}

Saving::~Saving() {
  is_given_up_ = true;
  if (written_.valid()) written_.wait();
  if (published_.valid()) published_.wait();
}

// The digests of the files, in part order.
std::vector<storage::Digest> Saving::write_own_parts() {
  std::uint64_t bytes = 0;
  for (const PartToSave& part : what_.parts) bytes += part.unchanged ? 0 : file_bytes(part);
  storage::require_space(folders_.temporary, bytes);
  std::vector<storage::Digest> digests;
  for (const PartToSave& part : what_.parts) {
    if (is_given_up_) fail(ExitStatus::kInternal, "the checkpoint was given up");
    fault_point("checkpoint.part", comm_.rank());
    digests.push_back(write_part(part));
  }
  return digests;
}

storage::Digest Saving::write_part(const PartToSave& part) const {
  const std::filesystem::path path = folders_.temporary / graph::part_file_name(part.table.part);
  if (part.unchanged) {
    std::error_code cannot;  // some file systems have no links
    std::filesystem::create_hard_link(part.unchanged->path, path, cannot);
    if (!cannot) return part.unchanged->digest;
  }
  write_file(path, what_.shard, part);
  what_.parameters.put_away(part.table);
  return storage::hash_file(path);
}

// Lists what all ranks have written; each has hashed its own files.
void Saving::publish_all(const std::vector<storage::Digest>& parts) {
  const std::filesystem::path& folder = folders_.temporary;
  storage::sync_path(folder / graph::kManifestFile);
  auto checksums = storage::FolderChecksums::load(folder);
  for (std::size_t part = 0; part < parts.size(); ++part)
    checksums.record(graph::part_file_name(PartId(static_cast<std::uint32_t>(part))), parts[part]);
  checksums.record(graph::kManifestFile);
  checksums.commit();
  fault_point("checkpoint.rename", comm_.rank());
  publish_();
  removed_on_failure_->release();
  seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Saving::note_files(const std::vector<storage::Digest>& digests) {
  for (std::size_t p = 0; p < digests.size(); ++p)
    files_.push_back({folders_.whole / graph::part_file_name(what_.parts[p].table.part), digests[p]});
}

bool Saving::is_busy() const { return is_running(written_) || is_running(published_); }

bool Saving::advance() {
  if (published_.valid()) {
    comm::together(comm_, [&] { published_.get(); });
    return true;
  }
  const std::vector<storage::Digest> mine = comm::together(comm_, [&] { return written_.get(); });
  note_files(mine);
  if (comm_.size() == 1) return true;
  std::vector<storage::Digest> parts = model::gather_parts<storage::Digest>(comm_, what_.shard.placement, mine);
  published_ = begin(what_.in_background && comm_.is_root(), [this, parts = std::move(parts)] {
    if (comm_.is_root()) publish_all(parts);
  });
  return false;
}

void Saving::finish() {
  while (!advance()) {
  }
}

}  // namespace tessera::checkpoint
