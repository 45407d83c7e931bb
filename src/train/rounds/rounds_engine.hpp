// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/engine.hpp"
#include "train/rounds/round_graphs.hpp"
#include "train/rounds/working_copy.hpp"

#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::train {

/// The memory of a rank for parts: one table for each of its slots, then as many as it swaps at once.
struct SlotTables {
  /// For a job that trains on `whole` with `slots` of all ranks.
  SlotTables(const Job& job, const graph::PartitionManifest& whole, const graph::Placement& slots, Rank rank,
             memory::Pool& pool);
  std::uint32_t own;
  model::RowMemory memory;
  std::unique_ptr<model::Parameters> parameters;
};

/// What memory.resident_parts "auto" means for ranks that have `room_bytes` each for entity rows and their states:
/// "all" where these fit, else the largest number of parts that fits together with the spare ones. Throws
/// Error(kOverBudget).
std::string choose_resident_parts(const Job& job, const graph::PartitionManifest& manifest, std::int32_t ranks,
                                  std::uint64_t room_bytes);

/// Trains with the rows of some parts in memory (memory.resident_parts). An epoch goes in rounds: training as ever on
/// the parts in memory, with an engine of its own. While a round computes, a thread writes the parts that left memory
/// and reads those that come next. The parameters of the setup lie in files; between epochs, and after
/// download_parameters(), they are whole. A round is a segment.
class RoundsEngine final : public Engine {
 public:
  /// Collective. `tables` has the tables of the parameters of `setup`, `partition` is the folder of the queries. All
  /// that is named outlives this.
  RoundsEngine(const EngineSetup& setup, WorkingCopy& tables, const std::filesystem::path& partition);
  ~RoundsEngine() override;
  RoundsEngine(const RoundsEngine&) = delete;
  RoundsEngine& operator=(const RoundsEngine&) = delete;

  [[nodiscard]] std::uint64_t segments() const override;
  void run_segment(std::uint32_t epoch, std::uint64_t segment, EpochSums& sums, Progress* progress) override;
  [[nodiscard]] StageTimes stage_times() const override { return times_; }
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] Optimiser& optimiser() override { return optimiser_; }
  [[nodiscard]] bool holds_parameters() const override { return true; }
  void download_parameters() override;
  [[nodiscard]] bool has_changed(PartId part) const override { return changed_[part.index()]; }
  void forget_changes() override { changed_.assign(changed_.size(), false); }

 private:
  /// A part in the memory of one table.
  struct Held {
    std::size_t table = 0;  // of tables_
    PartId part;
  };
  /// A slot of this rank that gets another part.
  struct Change {
    std::size_t own_slot;
    PartId part;
    bool is_read_ahead;
  };
  void upload();
  [[nodiscard]] PartId part_of(std::size_t round, std::size_t own_slot) const;
  [[nodiscard]] model::PartTable table_of(const Held& held) const;
  [[nodiscard]] std::vector<PartId> leaving(std::size_t round) const;
  void plan_changes(std::size_t round);
  void note_changes(std::size_t round);
  void open_round(std::uint32_t epoch, std::size_t round);
  void close_round(std::size_t round);
  void write_all();
  void move_ahead(std::size_t round);
  void finish_moves();
  void take_changes();
  void seat_tables(const graph::Shard& shard);
  [[nodiscard]] Pass pass_of(std::uint32_t epoch, std::size_t round, const EpochSums& sums) const;
  void run_round(const graph::Shard& shard, Pass pass, EpochSums& sums, Progress* progress);

  EngineSetup setup_;
  WorkingCopy& files_;
  RoundGraphs graphs_;
  Optimiser optimiser_;
  SlotTables resident_;
  std::vector<model::PartTable> tables_;  // of the slots of this rank, and spare ones
  std::vector<Held> slots_;
  std::vector<Held> spare_;        // a changing slot takes the spare table of its place in changes_
  std::vector<Change> changes_;    // before the next round
  std::size_t to_write_ = 0;       // the first spare tables hold parts that left
  std::vector<PartId> just_left_;  // parts of all ranks that left before this round: not yet in their files
  std::vector<bool> changed_;      // by part of all ranks: it was in memory
  std::future<void> moves_;
  std::optional<std::pair<std::uint32_t, std::size_t>> ready_for_;  // epoch and round whose parts are in the slots
  bool are_uploaded_ = false;
  StageTimes times_;
  std::string inner_ = "no round so far";
};

}  // namespace tessera::train
