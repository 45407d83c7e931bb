// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checkpoint.hpp"

#include "checkpoint/row_table.hpp"
#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "core/fault.hpp"
#include "core/log.hpp"
#include "model/gather_parts.hpp"
#include "storage/atomic.hpp"
#include "storage/hdf5.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tessera::checkpoint {
namespace {

using kernels::ConstMatrix;
using kernels::Matrix;

constexpr const char* kUnfinished = ".tmp";

void read_matrix(const storage::FileReader& file, const std::string& path, Matrix matrix) {
  if (matrix.data == nullptr) return;
  if (file.shape(path) != std::vector<std::uint64_t>{matrix.rows, matrix.cols})
    fail(ExitStatus::kBadData, "'{}', {}: its shape is not that of the job ([{}, {}])", file.path().string(), path,
         matrix.rows, matrix.cols);
  file.read_to<float>(path, std::span(matrix.data, matrix.rows * matrix.cols));
}

void read_core(const storage::FileReader& file, bool serves_average, const model::Parameters& parameters) {
  if (const model::Parameters* average = parameters.average()) read_matrix(file, kCoreAverage, average->core());
  read_matrix(file, serves_average ? kCoreAverage : kCoreRows, parameters.core());
  read_matrix(file, "/core/state", parameters.core_state());
}

void warn_passed_over(Position position, const Error& error) {
  log::warning("the checkpoint after {} is passed over: {}", in_words(position), error.what());
}

Error none_whole(const std::filesystem::path& folder, const Error& last) {
  return {ExitStatus::kBadData,
          fmt::format("no checkpoint of '{}' is whole; the last one tried: {}", folder.string(), last.what())};
}

bool is_damage(const Error& error) {
  return error.status() == ExitStatus::kBadData || error.status() == ExitStatus::kMissingInput;
}

void verify_files(const std::filesystem::path& folder) {
  const auto checksums = storage::FolderChecksums::load(folder);
  for (const auto& [name, digest] : checksums.digests()) checksums.verify(name);
}

}  // namespace

std::filesystem::path CheckpointStore::epoch_folder(Position position) const { return folder_ / folder_name(position); }

storage::FileReader CheckpointStore::open_manifest(Position position) const {
  return storage::FileReader::open_verified(epoch_folder(position) / graph::kManifestFile, kCheckpointKind,
                                            kCheckpointVersion);
}

std::vector<Position> CheckpointStore::positions() const {
  std::vector<Position> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    const std::optional<Position> position = position_of(entry.path().filename().string());
    if (position && std::filesystem::exists(entry.path() / storage::kChecksumsName)) found.push_back(*position);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::uint64_t> CheckpointStore::epochs() const {
  std::vector<std::uint64_t> found;
  for (const Position& position : positions())
    if (position.segment == 0) found.push_back(position.epoch);
  return found;
}

void CheckpointStore::save(comm::Communicator& comm, const graph::Shard& shard, const model::Parameters& parameters,
                           const RunState& state, std::uint64_t keep) const {
  begin_save(comm, {shard, parameters, state, parts_to_save(parameters)}, keep)->finish();
}

std::unique_ptr<Saving> CheckpointStore::begin_save(comm::Communicator& comm, ToSave what, std::uint64_t keep) const {
  const std::filesystem::path final_folder = epoch_folder(what.state.position());
  const std::filesystem::path temporary = folder_ / fmt::format(".{}{}", final_folder.filename().string(), kUnfinished);
  const auto publish = [store = *this, temporary, state = what.state, keep] { store.publish(temporary, state, keep); };
  return std::make_unique<Saving>(comm, Saving::Folders{temporary, final_folder}, std::move(what), publish);
}

void CheckpointStore::publish(const std::filesystem::path& temporary, const RunState& state, std::uint64_t keep) const {
  const std::filesystem::path whole = epoch_folder(state.position());
  std::error_code error;
  std::filesystem::remove_all(whole, error);
  std::filesystem::rename(temporary, whole, error);
  if (error) fail(ExitStatus::kIo, "'{}' cannot be renamed: {}", temporary.string(), error.message());
  storage::sync_path(folder_);
  remove_older(state, keep);
}

void CheckpointStore::save_manifest(comm::Communicator& comm, const RunState& state,
                                    const std::function<void(storage::FileWriter&)>& write, std::uint64_t keep) const {
  comm::on_root(comm, [&] {
    storage::Temporary folder(folder_ / fmt::format(".{}{}", folder_name(state.position()), kUnfinished));
    std::error_code error;
    std::filesystem::remove_all(folder.path(), error);
    std::filesystem::create_directories(folder.path(), error);
    if (error) fail(ExitStatus::kIo, "folder '{}' cannot be made: {}", folder.path().string(), error.message());
    storage::FileWriter file(folder.path() / graph::kManifestFile, kCheckpointKind, kCheckpointVersion);
    write_run_state(file, state);
    write(file);
    file.close();
    storage::sync_path(folder.path() / graph::kManifestFile);
    auto checksums = storage::FolderChecksums::load(folder.path());
    checksums.record(graph::kManifestFile);
    checksums.commit();
    fault_point("checkpoint.rename", comm.rank());
    publish(folder.path(), state, keep);
    folder.release();
  });
}

// Of a run that went on from an older checkpoint, newer ones go, too.
void CheckpointStore::remove_older(const RunState& state, std::uint64_t keep) const {
  std::vector<Position> found = positions();
  std::reverse(found.begin(), found.end());
  std::uint64_t newest = 0;
  bool has_whole = false;  // newer than the one that is looked at, or the best
  for (const Position& position : found) has_whole = has_whole || position == Position(state.best_epoch);
  std::error_code ignored;
  for (const Position& position : found) {
    const bool is_of_run = position <= state.position();
    const bool is_only_whole = position.segment == 0 && !has_whole;
    if (position == Position(state.best_epoch) || (is_of_run && (newest < keep || is_only_whole))) {
      ++newest;
      has_whole = has_whole || position.segment == 0;
      continue;
    }
    std::filesystem::remove_all(epoch_folder(position), ignored);
  }
}

void CheckpointStore::require(std::uint64_t epoch) const {
  const std::vector<std::uint64_t> found = epochs();
  if (!std::binary_search(found.begin(), found.end(), epoch))
    fail(ExitStatus::kMissingInput, "'{}' has no checkpoint after epoch {}; it has: {}", folder_.string(), epoch,
         found.empty() ? "none" : fmt::format("{}", fmt::join(found, ", ")));
}

RunState CheckpointStore::read_state(Position position) const { return read_run_state(open_manifest(position)); }

void check_partition(const storage::FileReader& manifest, const graph::PartitionManifest& partition) {
  if (manifest.string("/", "graph_digest") != partition.graph_digest)
    fail(ExitStatus::kUsage, "'{}' was trained on another graph than the job names", manifest.path().string());
  if (manifest.integer("/", "parts") != partition.part_count() ||
      manifest.string("/", "partition_digest") != partition.digest)
    fail(ExitStatus::kUsage,
         "'{}' was trained on another partition of the graph than the one that is there now ({} parts, method {}, seed "
         "{}); partition the graph as it was then, or leave data.parts as the run has it",
         manifest.path().string(), partition.part_count(), partition.method, partition.seed);
}

RunState CheckpointStore::load(Position position, const graph::Shard& shard, model::Parameters& parameters) const {
  const std::filesystem::path folder = epoch_folder(position);
  const auto manifest = open_manifest(position);
  check_partition(manifest, shard.manifest);
  if (manifest.string("/", "model") != parameters.scorer().name() || manifest.integer("/", "dim") != parameters.dim())
    fail(ExitStatus::kUsage, "'{}' holds a {} model with dim {}, the job says {} with dim {}", folder.string(),
         manifest.string("/", "model"), manifest.integer("/", "dim"), parameters.scorer().name(), parameters.dim());
  const bool serves_average = parameters.average() == nullptr && manifest.has(kRelationAverage);
  if (parameters.average() != nullptr) read_matrix(manifest, kRelationAverage, parameters.average()->relations());
  read_matrix(manifest, serves_average ? kRelationAverage : kRelationRows, parameters.relations());
  read_matrix(manifest, "/relations/state", parameters.relation_state());
  read_core(manifest, serves_average, parameters);
  for (model::PartTable& table : parameters.parts()) {
    const auto file = storage::FileReader::open_verified(folder / graph::part_file_name(table.part),
                                                         kCheckpointPartKind, kCheckpointVersion);
    if (file.string("/", "graph_digest") != shard.manifest.graph_digest ||
        file.integer("/", "part") != table.part.value())
      fail(ExitStatus::kBadData, "'{}' belongs to another graph or part", file.path().string());
    if (const model::Parameters* average = parameters.average())
      read_matrix(file, kPartAverage, average->part(table.part).rows.matrix());
    read_rows(file, serves_average ? kPartAverage : kPartRows, parameters, table);
    checkpoint::read_state(file, "/state", table.state);
    parameters.put_away(table);
  }
  return read_run_state(manifest);
}

std::optional<RunState> CheckpointStore::load_first_sound(comm::Communicator& comm, std::vector<Position> candidates,
                                                          const Load& load) const {
  std::uint64_t count = candidates.size();
  comm.broadcast_values(std::span(&count, 1), Rank(0));
  candidates.resize(count);
  comm.broadcast_values(std::span(candidates), Rank(0));
  for (const Position& position : candidates) {
    try {
      return comm::together(comm, [&] { return load(position); });
    } catch (const comm::AgreedError& error) {
      if (!is_damage(error)) throw;
      if (position == candidates.back())
        throw comm::AgreedError(ExitStatus::kBadData, none_whole(folder_, error).what());
      if (comm.is_root()) warn_passed_over(position, error);
    }
  }
  return std::nullopt;
}

std::optional<RunState> CheckpointStore::load_newest(comm::Communicator& comm, const graph::Shard& shard,
                                                     model::Parameters& parameters) const {
  return load_newest(comm, [&](Position position) { return load(position, shard, parameters); });
}

RunState CheckpointStore::load_best(comm::Communicator& comm, const graph::Shard& shard,
                                    model::Parameters& parameters) const {
  return load_best(comm, [&](Position position) { return load(position, shard, parameters); });
}

std::optional<RunState> CheckpointStore::load_newest(comm::Communicator& comm, const Load& load) const {
  std::vector<Position> candidates;
  comm::on_root(comm, [&] {
    candidates = positions();
    std::reverse(candidates.begin(), candidates.end());
  });
  return load_first_sound(comm, std::move(candidates), load);
}

RunState CheckpointStore::load_best(comm::Communicator& comm, const Load& load) const {
  std::uint64_t epoch = comm::together(comm, [&] { return comm.is_root() ? best() : 0; });
  comm.broadcast_values(std::span(&epoch, 1), Rank(0));
  try {
    return comm::together(comm, [&] { return load(epoch); });
  } catch (const comm::AgreedError& error) {
    if (!is_damage(error)) throw;
    comm::on_root(comm, [&] { refuse_damaged(epoch, error); });
    throw;
  }
}

std::uint64_t CheckpointStore::best_sound() const {
  const std::uint64_t epoch = best();
  try {
    verify_files(epoch_folder(epoch));
  } catch (const Error& error) {
    refuse_damaged(epoch, error);
  }
  return epoch;
}

// The newest manifest says which one is the best; if it is damaged, nobody knows.
std::uint64_t CheckpointStore::best() const {
  const std::vector<std::uint64_t> found = epochs();
  if (found.empty() && !positions().empty())
    fail(ExitStatus::kMissingInput,
         "'{}' holds no model of a whole epoch: the first epoch is not complete; 'tessera train --resume' goes on",
         folder_.string());
  if (found.empty())
    fail(ExitStatus::kMissingInput, "'{}' holds no complete checkpoint; 'tessera train' makes one", folder_.string());
  const std::uint64_t newest = found.back();
  try {
    const RunState state = read_state(newest);
    return state.best_mrr > 0 && std::binary_search(found.begin(), found.end(), state.best_epoch) ? state.best_epoch
                                                                                                  : newest;
  } catch (const Error& error) {
    refuse_damaged(newest, error);
  }
}

bool CheckpointStore::is_whole(std::uint64_t epoch) const {
  try {
    verify_files(epoch_folder(epoch));
    return true;
  } catch (const Error&) {
    return false;
  }
}

void CheckpointStore::refuse_damaged(std::uint64_t epoch, const Error& error) const {
  std::vector<std::uint64_t> whole = epochs();
  std::erase_if(whole, [&](std::uint64_t other) { return other == epoch || !is_whole(other); });
  if (whole.empty()) throw none_whole(folder_, error);
  fail(ExitStatus::kBadData, "the checkpoint after epoch {} is damaged: {}. Whole: after epoch {}; --epoch chooses",
       epoch, error.what(), fmt::join(whole, ", "));
}

void CheckpointStore::remove_unfinished() const {
  std::error_code ignored;
  std::vector<std::filesystem::path> unfinished;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") && name.ends_with(kUnfinished)) unfinished.push_back(entry.path());
  }
  for (const auto& folder : unfinished) std::filesystem::remove_all(folder, ignored);
}

std::string parameter_digest(comm::Communicator& comm, const graph::Shard& shard, const model::Parameters& parameters) {
  const auto hash = [](const auto& stored) {
    return storage::hash_bytes(std::span<const std::byte>(stored.data, stored.rows * stored.stride));
  };
  const auto hash_matrix = [](ConstMatrix matrix) {
    return storage::hash_values<float>(std::span(matrix.data, matrix.rows * matrix.cols));
  };
  const model::Parameters* average = parameters.average();
  const std::size_t per_part = average != nullptr ? 3 : 2;
  std::vector<storage::Digest> mine;
  for (const model::PartTable& table : parameters.parts()) {
    mine.push_back(hash(table.rows));
    if (table.rows.hot.rows > 0)
      mine.back() = storage::hash_values<storage::Digest>(std::array{mine.back(), hash_matrix(table.rows.hot)});
    mine.push_back(hash(table.state));
    if (average != nullptr) mine.push_back(hash(average->part(table.part).rows));
    parameters.put_away(table);
  }
  std::vector<storage::Digest> all = model::gather_parts<storage::Digest>(comm, shard.placement, mine, per_part);
  all.push_back(hash_matrix(parameters.relations()));
  all.push_back(hash_matrix(parameters.relation_state()));
  if (average != nullptr) all.push_back(hash_matrix(average->relations()));
  if (parameters.scorer().has_core()) {
    all.push_back(hash_matrix(parameters.core()));
    all.push_back(hash_matrix(parameters.core_state()));
    if (average != nullptr) all.push_back(hash_matrix(average->core()));
  }
  return storage::hash_values<storage::Digest>(all).hex();
}

}  // namespace tessera::checkpoint
