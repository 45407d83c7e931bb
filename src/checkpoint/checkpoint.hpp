// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/run_state.hpp"
#include "checkpoint/saving.hpp"
#include "comm/communicator.hpp"
#include "core/error.hpp"
#include "core/job.hpp"
#include "graph/shard.hpp"
#include "model/parameters.hpp"
#include "storage/hdf5.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::checkpoint {

inline constexpr const char* kCheckpointKind = "checkpoint";
inline constexpr std::uint64_t kCheckpointVersion = 2;  ///< 1: entity rows in fp32 alone
inline constexpr const char* kCheckpointPartKind = "checkpoint part";
inline constexpr const char* kCheckpointsFolder = "checkpoints";

/// The rows of a checkpoint are in the order of the partition that it was trained with. Throws Error(kUsage) when its
/// `manifest.h5` names another one, be it one of the same graph into as many parts.
void check_partition(const storage::FileReader& manifest, const graph::PartitionManifest& partition);
inline constexpr const char* kPartRows = "/rows";  ///< [rows, dim] of a part; row_table.hpp
inline constexpr const char* kPartAverage = "/average";
inline constexpr const char* kRelationRows = "/relations/rows";  ///< [2R, relation dim] of the manifest
inline constexpr const char* kRelationAverage = "/relations/average";
inline constexpr const char* kCoreRows = "/core/rows";  ///< [relation dim, operator dim]; only of a model with a core
inline constexpr const char* kCoreAverage = "/core/average";

/// RUN/checkpoints/epoch-000010, epoch-000010-segment-000123, ...: each complete, or not there. Those of whole epochs
/// are models; the others are for continuing a run alone.
class CheckpointStore {
 public:
  explicit CheckpointStore(const std::filesystem::path& run_folder) : folder_(run_folder / kCheckpointsFolder) {}

  /// Collective. Every rank writes the chunks of its parts; the folder appears when all are on disk; then all but the
  /// best, the `keep` newest and the newest of whole epochs, if no other of those is left, are removed. Throws
  /// AgreedError(kIo) and leaves older checkpoints untouched when writing fails.
  void save(comm::Communicator& comm, const graph::Shard& shard, const model::Parameters& parameters,
            const RunState& state, std::uint64_t keep = 1) const;
  /// Collective. The same in steps, which threads may do while training goes on.
  std::unique_ptr<Saving> begin_save(comm::Communicator& comm, ToSave what, std::uint64_t keep) const;

  /// Collective. A checkpoint that is a manifest alone, of a model that every rank has: rank 0 writes it, whole or not
  /// at all. `write` adds what the model is made of.
  void save_manifest(comm::Communicator& comm, const RunState& state,
                     const std::function<void(storage::FileWriter&)>& write, std::uint64_t keep) const;
  /// Loads one checkpoint; throws as load() does.
  using Load = std::function<RunState(Position)>;
  /// Collective. As the functions below, with a function that every rank loads by.
  std::optional<RunState> load_newest(comm::Communicator& comm, const Load& load) const;
  RunState load_best(comm::Communicator& comm, const Load& load) const;
  /// The manifest of a checkpoint, its checksum verified.
  [[nodiscard]] storage::FileReader open_manifest(Position position) const;

  /// Positions of all complete checkpoints, ascending.
  [[nodiscard]] std::vector<Position> positions() const;
  /// Those of whole epochs.
  [[nodiscard]] std::vector<std::uint64_t> epochs() const;
  /// Throws Error(kMissingInput) naming those that there are when there is no complete checkpoint after this epoch.
  void require(std::uint64_t epoch) const;
  /// State of a checkpoint. Throws Error(kMissingInput) or Error(kBadData).
  [[nodiscard]] RunState read_state(Position position) const;
  /// Loads rows (and states and averages when `parameters` has them) of this rank's parts. Where the checkpoint has
  /// averages and `parameters` keeps none, the averages are its rows: ranking and searching use them. Not collective.
  /// Throws Error(kMissingInput), Error(kBadData) for a damaged one, Error(kUsage) for one of another graph or model.
  RunState load(Position position, const graph::Shard& shard, model::Parameters& parameters) const;
  /// Collective. Loads the newest checkpoint that is whole; a damaged one is passed over with a warning that names the
  /// file. Nothing when there is none; throws AgreedError(kBadData) when all are damaged.
  std::optional<RunState> load_newest(comm::Communicator& comm, const graph::Shard& shard,
                                      model::Parameters& parameters) const;
  /// Collective. Loads the checkpoint that evaluation uses: the best one by validation MRR, else the newest of whole
  /// epochs. Never another one in its place: throws AgreedError(kBadData) that names the whole ones when it is damaged,
  /// AgreedError(kMissingInput) when there is none.
  RunState load_best(comm::Communicator& comm, const graph::Shard& shard, model::Parameters& parameters) const;
  /// The epoch that load_best() takes, after its files were compared with their checksums. By one process; the same
  /// errors.
  [[nodiscard]] std::uint64_t best_sound() const;
  /// Removes the files of an interrupted save(). One process calls it, while no rank saves.
  void remove_unfinished() const;
  [[nodiscard]] std::filesystem::path epoch_folder(Position position) const;

 private:
  [[nodiscard]] std::uint64_t best() const;
  [[nodiscard]] bool is_whole(std::uint64_t epoch) const;
  [[noreturn]] void refuse_damaged(std::uint64_t epoch, const Error& error) const;
  void remove_older(const RunState& state, std::uint64_t keep) const;
  void publish(const std::filesystem::path& temporary, const RunState& state, std::uint64_t keep) const;
  std::optional<RunState> load_first_sound(comm::Communicator& comm, std::vector<Position> candidates,
                                           const Load& load) const;
  std::filesystem::path folder_;
};

/// Collective. One checksum over all rows (and states, and averages), part by part: equal bits, equal digest, on any
/// number of ranks.
std::string parameter_digest(comm::Communicator& comm, const graph::Shard& shard, const model::Parameters& parameters);

}  // namespace tessera::checkpoint
