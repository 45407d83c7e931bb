// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/run_state.hpp"
#include "checkpoint/table_copy.hpp"
#include "comm/communicator.hpp"
#include "graph/shard.hpp"
#include "model/parameters.hpp"
#include "storage/atomic.hpp"
#include "storage/checksum.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <vector>

namespace tessera::checkpoint {

/// What a checkpoint is made of. What is named outlives the saving.
struct ToSave {
  const graph::Shard& shard;
  const model::Parameters& parameters;
  RunState state;
  std::vector<PartToSave> parts;  ///< of this rank
  bool in_background = false;     ///< nobody changes the parts until the saving is done: a thread writes them
};

/// A checkpoint on its way to the disk, in two steps. First each rank writes the files of its parts. When all ranks
/// have done so, rank 0 makes the list of checksums and renames the folder: from then on the checkpoint is whole. Steps
/// of a rank that saves in the background run in a thread, which does not communicate; the others run at once.
class Saving {
 public:
  struct Folders {
    std::filesystem::path temporary;
    std::filesystem::path whole;
  };
  /// Collective. Makes the temporary folder, with the manifest of the parameters as they are now, and begins the first
  /// step. `publish` is called on rank 0 when all files are on the disk, to rename the folder.
  Saving(comm::Communicator& comm, const Folders& folders, ToSave what, std::function<void()> publish);
  /// Waits for the thread. Rank 0 removes what is not whole.
  ~Saving();
  Saving(const Saving&) = delete;
  Saving& operator=(const Saving&) = delete;

  /// Whether a thread of this rank is at work: advance() would wait for it.
  [[nodiscard]] bool is_busy() const;
  /// Collective. All ranks learn about the end of a step, and begin the next. Returns whether the checkpoint is whole.
  /// Throws AgreedError(kIo) when a rank has failed; older checkpoints are untouched then.
  bool advance();
  /// Collective. Waits until it is whole.
  void finish();
  /// The files of the parts of this rank in the whole checkpoint, in their order.
  [[nodiscard]] const std::vector<SavedFile>& files() const { return files_; }
  /// Until it was whole, since the constructor was called, on rank 0.
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  std::vector<storage::Digest> write_own_parts();
  storage::Digest write_part(const PartToSave& part) const;
  void note_files(const std::vector<storage::Digest>& digests);
  void publish_all(const std::vector<storage::Digest>& parts);

  comm::Communicator& comm_;
  Folders folders_;
  ToSave what_;
  std::function<void()> publish_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double seconds_ = 0;
  std::vector<SavedFile> files_;
  std::optional<storage::Temporary> removed_on_failure_;  // on rank 0
  std::atomic<bool> is_given_up_{false};
  std::future<std::vector<storage::Digest>> written_;  // the first step
  std::future<void> published_;                        // the second one
};

}  // namespace tessera::checkpoint
